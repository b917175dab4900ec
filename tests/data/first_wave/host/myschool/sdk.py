"""A voice by an SDK, with the rules of docs/providers.md."""

import dailycast.vendor
from dailycast.errors import ProviderError, ThrottledError, VendorWideError
from dailycast.tts.base import Clip, TTSProvider, Voice, whole


class Speaker(TTSProvider):
    name = "sdk"

    def missing(self):
        return ""

    def problems(self):
        return ["SCHOOL_VOICE is not set."]

    def voice(self, language):
        return Voice("Bea", engine="sdk", format="mp3-24")

    def speak(self, text, voice, timeout):
        lameenc = dailycast.vendor.require("lameenc", "offline")
        if "busy" in text:
            raise ThrottledError("The SDK is busy.", 0.0)
        if "key" in text:
            raise VendorWideError("The SDK refused the key.")
        if "cut" in text:
            raise ProviderError("The SDK cut the audio.", permanent=True, billed=(len(text),))
        encoder = lameenc.Encoder()
        encoder.set_bit_rate(48)
        encoder.set_in_sample_rate(24_000)
        encoder.set_channels(1)
        encoder.silence()
        mp3 = bytes(encoder.encode(bytes(2 * 24_000 * (len(text) // 10 + 1))) + encoder.flush())
        whole(mp3, text)
        return Clip(mp3, characters=len(text))


class Quiet(Speaker):
    name = "quiet"
    remote = False
