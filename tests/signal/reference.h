// Log-mel and MFCC in double precision from their definitions: what the integer kernels are measured against.
#pragma once
#include <cmath>
#include <complex>
#include <cstdint>
#include <numbers>
#include <span>
#include <vector>

namespace thimble::reference {

struct Settings {
  int sample_rate_hz = 16000;
  int bands = 40;
  double low_hz = 20, high_hz = 8000;
  double pre_emphasis = 0;
  double floor_dbfs = -80;
};

inline double mel(double hz) { return 2595 * std::log10(1 + hz / 700); }

// |DFT|^2 of the windowed, zero padded frame, by the definition.
inline std::vector<double> power_spectrum(std::span<const int16_t> frame, int fft_size) {
  std::vector<double> power;
  const double pi2 = 2 * std::numbers::pi, length = static_cast<double>(frame.size());
  for (int k = 0; k <= fft_size / 2; ++k) {
    std::complex<double> sum = 0;
    for (size_t i = 0; i < frame.size(); ++i) {
      const double window = 0.5 - 0.5 * std::cos(pi2 * static_cast<double>(i) / length);
      sum += frame[i] * window * std::polar(1.0, -pi2 * k * static_cast<double>(i) / fft_size);
    }
    power.push_back(std::norm(sum));
  }
  return power;
}

// log2(1 + band energy / band energy of white noise at the floor), per band.
inline std::vector<double> log_mel(std::span<const int16_t> frame, int fft_size, const Settings& s) {
  const std::vector<double> power = power_spectrum(frame, fft_size);
  double window_energy = 0;
  for (size_t i = 0; i < frame.size(); ++i)
    window_energy += std::pow(
        0.5 - 0.5 * std::cos(2 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(frame.size())), 2);
  const double noise_line = std::pow(32768 * std::pow(10, s.floor_dbfs / 20), 2) * window_energy;
  const double step = (mel(s.high_hz) - mel(s.low_hz)) / (s.bands + 1);
  std::vector<double> levels;
  for (int band = 0; band < s.bands; ++band) {
    const double centre = mel(s.low_hz) + (band + 1) * step;
    double energy = 0, noise = 0;
    for (int k = 0; k <= fft_size / 2; ++k) {
      const double triangle =
          std::max(0.0, 1 - std::abs(mel(static_cast<double>(k) * s.sample_rate_hz / fft_size) - centre) / step);
      const std::complex<double> filter = 1.0 - s.pre_emphasis * std::polar(1.0, -2 * std::numbers::pi * k / fft_size);
      energy += triangle * std::norm(filter) * power[static_cast<size_t>(k)];
      noise += triangle * noise_line;
    }
    levels.push_back(std::log2(1 + energy / noise));
  }
  return levels;
}

// Orthonormal DCT-II.
inline std::vector<double> dct(const std::vector<double>& x, int coefficients) {
  const double n = static_cast<double>(x.size());
  std::vector<double> result;
  for (int c = 0; c < coefficients; ++c) {
    double sum = 0;
    for (size_t i = 0; i < x.size(); ++i)
      sum += x[i] * std::cos(std::numbers::pi / n * (static_cast<double>(i) + 0.5) * c);
    result.push_back(sum * std::sqrt((c == 0 ? 1 : 2) / n));
  }
  return result;
}

}  // namespace thimble::reference
