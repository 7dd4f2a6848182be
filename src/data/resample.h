// Changing the sample rate of a sound. Used to bring recordings to the model's rate and to vary speaking speed in
// training. Method: windowed-sinc interpolation in polyphase form (Crochiere and Rabiner, Multirate Digital Signal
// Processing, 1983).
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace thimble {

// step = input samples per output sample (22050 Hz -> 16000 Hz: 22050.0 / 16000), in [1/64, 64]. Frequencies above the
// lower of the two Nyquist limits are removed. The output has round(samples.size() / step) samples.
std::vector<float> resample(std::span<const float> samples, double step);

// The recording played `factor` times as fast (and as high): 1.1 is shorter, 0.9 longer. samples: [time, channels].
std::vector<int16_t> change_speed(std::span<const int16_t> samples, double factor, int channels = 1);

// Real numbers in units of an int16 step to int16: rounded, saturated.
int16_t to_int16(double value);

}  // namespace thimble
