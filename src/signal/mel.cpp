#include "signal/mel.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>

namespace thimble::signals {

namespace {

constexpr int kMinFft = 64, kMaxFft = 2048;

// HTK's mel scale (Young et al., The HTK Book).
double mel_of(double hz) { return 2595.0 * std::log10(1.0 + hz / 700.0); }

int16_t to_q15(double value) { return static_cast<int16_t>(std::lround(value * 32767.0)); }
int32_t to_q31(double value) {
  return static_cast<int32_t>(std::clamp<int64_t>(std::llround(value * 2147483648.0), INT32_MIN, INT32_MAX));
}

// One triangle of the filter bank: its height at bins first, first + 1 ...
struct Triangle {
  int first = 0;
  std::vector<double> height;
};

// Triangles of height 1, straight in mel, neighbours meeting at each other's centres.
std::vector<Triangle> make_triangles(int bands, double low_hz, double high_hz, double bin_hz, int bins) {
  const double low = mel_of(low_hz), step = (mel_of(high_hz) - low) / (bands + 1);
  std::vector<Triangle> triangles(static_cast<size_t>(bands));
  for (int band = 0; band < bands; ++band) {
    Triangle& triangle = triangles[static_cast<size_t>(band)];
    for (int bin = 0; bin < bins; ++bin) {
      const double height = 1.0 - std::abs((mel_of(bin * bin_hz) - low) / step - (band + 1));
      if (height <= 0) continue;
      if (triangle.height.empty()) triangle.first = bin;
      triangle.height.push_back(height);
    }
  }
  return triangles;
}

Outcome check_frame(const SignalConfig& config, const Signal& signal, double high_hz) {
  const Attrs& settings = config.settings;
  if (config.sample_rate_hz <= 0)
    return fail(ErrorCode::usage,
                fmt::format("block {} needs a sample rate, found {}", config.block, config.sample_rate_hz),
                "signal.sample_rate_hz", "use block \"raw\" for tables");
  if (signal.frame_samples < 8 || signal.frame_samples > kMaxFft)
    return fail(ErrorCode::usage,
                fmt::format("{} ms at {} Hz is {} samples, expected 8 to {}", settings.real("frame_ms"),
                            config.sample_rate_hz, signal.frame_samples, kMaxFft),
                "signal.frame_ms");
  if (signal.hop_samples < 1)
    return fail(ErrorCode::usage,
                fmt::format("{} ms at {} Hz is less than one sample", settings.real("hop_ms"), config.sample_rate_hz),
                "signal.hop_ms");
  if (to_samples(config, config.window_ms) < signal.frame_samples)
    return fail(ErrorCode::usage,
                fmt::format("a window of {} ms is shorter than one frame of {} ms", config.window_ms,
                            settings.real("frame_ms")),
                "signal.window_ms");
  const double low_hz = settings.real("low_hz");
  if (low_hz >= high_hz || high_hz > config.sample_rate_hz / 2.0)
    return fail(ErrorCode::usage,
                fmt::format("bands from {} to {} Hz, expected low_hz < high_hz <= {} (half the sample rate)", low_hz,
                            high_hz, config.sample_rate_hz / 2.0),
                "signal.high_hz");
  return {};
}

// Energy that white noise at the floor has in each band, in the kernel's units for an unscaled frame: the power |X /
// fft_size|^2 of samples in Q15, times the band's weights.
std::vector<double> floor_energies(const std::vector<Triangle>& triangles, const std::vector<double>& peaks,
                                   const std::vector<double>& window, double floor_dbfs, int fft_size) {
  const double rms = 32768.0 * 32768.0 * std::pow(10.0, floor_dbfs / 20.0);
  double window_energy = 0;
  for (double w : window) window_energy += w * w;
  std::vector<double> energies;
  for (size_t band = 0; band < triangles.size(); ++band) {
    double area = 0;
    for (double height : triangles[band].height) area += height;
    energies.push_back(rms * rms * window_energy / (static_cast<double>(fft_size) * fft_size) * area / peaks[band]);
  }
  return energies;
}

// Floors share one exponent, which leaves the largest 30 bits; the frame may be scaled up as far as floors fit 61 bits.
void set_floors(const std::vector<double>& energies, MelTables& tables) {
  const double largest = *std::max_element(energies.begin(), energies.end());
  tables.params.floor_shift = std::ilogb(largest) - 29;
  tables.params.max_shift = std::clamp((31 - tables.params.floor_shift) / 2, 0, 28);
  for (double energy : energies) {
    const auto floor = static_cast<int32_t>(std::max(1.0, std::floor(std::ldexp(energy, -tables.params.floor_shift))));
    const int32_t level = device::log2_q14(static_cast<uint64_t>(floor), tables.log2_table.data());
    tables.floors.push_back(floor);
    tables.floors.push_back(level + tables.params.floor_shift * (1 << 14));
  }
}

std::vector<int16_t> make_log2_table() {
  constexpr int kSegments = 1 << device::kLog2SegmentBits;
  std::vector<int16_t> table;
  for (int i = 0; i <= kSegments; ++i)
    table.push_back(static_cast<int16_t>(std::lround(std::log2(1.0 + static_cast<double>(i) / kSegments) * 16384.0)));
  return table;
}

}  // namespace

std::vector<Setting> mel_settings() {
  return {
      {"frame_ms", 32.0, 0.1, 10000, "sound behind one frame"},
      {"hop_ms", 20.0, 0.1, 10000, "from one frame to the next"},
      {"mel_bands", int64_t{40}, 1, 128, "bands, evenly spaced in mel"},
      {"low_hz", 20.0, 0, 1e6, "lower edge of the first band"},
      {"high_hz", 0.0, 0, 1e6, "upper edge of the last band; 0 = half the sample rate"},
      {"pre_emphasis", 0.0, 0, 0.99, "weakens low frequencies as the filter x[n] - pre_emphasis * x[n-1] does"},
      {"floor_dbfs", -80.0, -100, 0, "white noise that counts as silence, in dB below full scale"},
  };
}

Result<MelTables> make_mel_tables(Signal& signal) {
  const SignalConfig& config = signal.config;
  const Attrs& settings = config.settings;
  const double rate = config.sample_rate_hz;
  const double high_hz = settings.real("high_hz") > 0 ? settings.real("high_hz") : rate / 2;
  signal.frame_samples = to_samples(config, settings.real("frame_ms"));
  signal.hop_samples = to_samples(config, settings.real("hop_ms"));
  THIMBLE_TRY(check_frame(config, signal, high_hz));
  signal.frames = 1 + (to_samples(config, config.window_ms) - signal.frame_samples) / signal.hop_samples;

  const int fft_size = std::max(kMinFft, static_cast<int>(std::bit_ceil(static_cast<unsigned>(signal.frame_samples))));
  const int bands = static_cast<int>(settings.integer("mel_bands"));
  MelTables tables;
  tables.params = {signal.frame_samples, config.channels, fft_size, bands, 0, 0};
  tables.log2_table = make_log2_table();

  std::vector<double> window;  // Hann, periodic
  for (int i = 0; i < signal.frame_samples; ++i)
    window.push_back(0.5 - 0.5 * std::cos(2 * std::numbers::pi * i / signal.frame_samples));
  for (double w : window) tables.window.push_back(to_q15(w));
  for (int k = 0; k < fft_size / 2; ++k) {
    tables.twiddles.push_back(to_q31(std::cos(2 * std::numbers::pi * k / fft_size)));
    tables.twiddles.push_back(to_q31(std::sin(2 * std::numbers::pi * k / fft_size)));
  }

  // Pre-emphasis is the power response of its filter, folded into the weights: no work on the device.
  const double pre = settings.real("pre_emphasis");
  const auto response = [&](int bin) {
    return 1 + pre * pre - 2 * pre * std::cos(2 * std::numbers::pi * bin / fft_size);
  };
  const std::vector<Triangle> triangles =
      make_triangles(bands, settings.real("low_hz"), high_hz, rate / fft_size, fft_size / 2 + 1);
  std::vector<double> peaks;
  for (size_t band = 0; band < triangles.size(); ++band) {
    const Triangle& triangle = triangles[band];
    const int bins = static_cast<int>(triangle.height.size());
    if (bins == 0)
      return fail(ErrorCode::usage,
                  fmt::format("{} bands are too many: band {} lies between two lines of the {}-point spectrum", bands,
                              band, fft_size),
                  "signal.mel_bands", "use fewer mel_bands, a longer frame_ms or a higher low_hz");
    std::vector<double> weights;
    for (int i = 0; i < bins; ++i)
      weights.push_back(triangle.height[static_cast<size_t>(i)] * response(triangle.first + i));
    peaks.push_back(*std::max_element(weights.begin(), weights.end()));
    for (double weight : weights) tables.weights.push_back(to_q15(weight / peaks.back()));
    tables.band_bins.push_back(static_cast<int16_t>(triangle.first));
    tables.band_bins.push_back(static_cast<int16_t>(bins));
  }
  set_floors(floor_energies(triangles, peaks, window, settings.real("floor_dbfs"), fft_size), tables);
  return tables;
}

void add_mel_operands(const MelTables& tables, KernelCall& call) {
  const auto table = [&]<class T>(const std::vector<T>& values) {
    call.operand(Tensor::from<T>({static_cast<int64_t>(values.size())}, values));
  };
  call.operand(ValueId{0});
  table(tables.window);
  table(tables.twiddles);
  table(tables.band_bins);
  table(tables.weights);
  table(tables.floors);
  table(tables.log2_table);
}

}  // namespace thimble::signals
