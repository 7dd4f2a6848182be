// Noises that a microphone hears beside speech, made from a seed. Used for the silence class and mixed into spoken
// clips.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

#include "core/rng.h"

namespace thimble {

// Noise whose power falls by `slope` times 3 dB an octave: 0 white, 1 pink, 2 brown. Root mean square 1.
std::vector<float> coloured_noise(size_t samples, int sample_rate_hz, double slope, Rng& rng);

// Mains hum of 50 or 60 Hz with its harmonics. Root mean square 1.
std::vector<float> mains_hum(size_t samples, int sample_rate_hz, double mains_hz, Rng& rng);

double root_mean_square(std::span<const float> samples);

// Adds noise * gain to samples of the same length.
void mix(std::span<float> samples, std::span<const float> noise, double gain);

}  // namespace thimble
