#include "data/speak.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "data/espeak.h"
#include "data/noise.h"
#include "data/parallel.h"
#include "data/resample.h"
#include "data/wav.h"

namespace thimble {

namespace {

using Json = nlohmann::ordered_json;
constexpr std::string_view kUnknown = "unknown", kSilence = "silence";
constexpr std::string_view kManifest = "speak.json";
constexpr int kRecipe = 1;  // rises when the same options would give other bytes
constexpr double kFullScale = 32767;

// Keys that keep the random streams apart.
enum Stream : uint64_t { kUtteranceStream, kClipStream, kPlaceStream, kSilenceStream, kBabbleStream };

double from_db(double db) { return std::pow(10.0, db / 20); }

// Every word once, by one voice.
struct Take {
  size_t voice = 0;
  int64_t number = 0;
};

// What to make: every take of every voice, and as many clips of silence.
struct Recipe {
  SpeakOptions options;
  std::vector<Voice> voices;
  std::vector<float> babble;  // voices in the background, at the clips' rate, root mean square 1

  // Takes of one voice; the last may be missing for the later voices.
  int64_t takes() const {
    const int64_t count = static_cast<int64_t>(voices.size());
    return (options.clips_per_class + count - 1) / count;
  }
  size_t clip_samples() const { return static_cast<size_t>(std::lround(options.seconds * options.sample_rate_hz)); }
};

std::vector<Take> takes_of(const Recipe& recipe) {
  std::vector<Take> takes;
  for (size_t clip = 0; clip < static_cast<size_t>(recipe.options.clips_per_class); ++clip)
    takes.push_back({clip % recipe.voices.size(), static_cast<int64_t>(clip / recipe.voices.size())});
  return takes;
}

std::string clip_path(std::string_view label, std::string_view voice, int64_t take) {
  return fmt::format("{}/{}_nohash_{}.wav", label, voice, take);
}

std::string place_name(size_t place) { return fmt::format("place{:02}", place); }

std::vector<std::string> clip_paths(const Recipe& recipe, const Take& take) {
  const std::string voice = recipe.voices[take.voice].file_name();
  std::vector<std::string> paths;
  for (const std::string& word : recipe.options.words) paths.push_back(clip_path(word, voice, take.number));
  if (!recipe.options.unknown_words.empty()) paths.push_back(clip_path(kUnknown, voice, take.number));
  if (recipe.options.silence) paths.push_back(clip_path(kSilence, place_name(take.voice), take.number));
  return paths;
}

// Turns a clip down that would not fit 16 bits.
void limit(std::span<float> clip) {
  float peak = 0;
  for (float sample : clip) peak = std::max(peak, std::abs(sample));
  if (peak < kFullScale) return;
  for (float& sample : clip) sample *= static_cast<float>(kFullScale - 1) / peak;
}

// A noise to stand behind a word.
std::vector<float> background(const Recipe& recipe, Rng& rng) {
  const size_t samples = recipe.clip_samples();
  const int rate_hz = recipe.options.sample_rate_hz;
  switch (rng.below(4)) {
    case 0:
      return coloured_noise(samples, rate_hz, rng.uniform(0, 1), rng);
    case 1:
      return coloured_noise(samples, rate_hz, rng.uniform(1, 2), rng);
    case 2:
      return mains_hum(samples, rate_hz, rng.below(2) != 0 ? 50 : 60, rng);
    default: {
      const size_t start = rng.below(recipe.babble.size() - samples);
      const auto from = recipe.babble.begin() + static_cast<std::ptrdiff_t>(start);
      return {from, from + static_cast<std::ptrdiff_t>(samples)};
    }
  }
}

Recording to_recording(const std::vector<float>& samples, int rate_hz) {
  Recording recording{rate_hz, 1, {}};
  for (float sample : samples) recording.samples.push_back(to_int16(sample));
  return recording;
}

// One word as a microphone might hear it.
Recording make_clip(const Recipe& recipe, const Recording& word, Rng rng) {
  const SpeakOptions& options = recipe.options;
  const std::vector<float> raw(word.samples.begin(), word.samples.end());
  std::vector<float> speech = resample(raw, static_cast<double>(word.sample_rate_hz) / options.sample_rate_hz);
  std::vector<float> clip(recipe.clip_samples(), 0);
  if (speech.size() > clip.size()) speech.resize(clip.size());
  float peak = 1;
  for (float sample : speech) peak = std::max(peak, std::abs(sample));
  const double gain = kFullScale / peak * from_db(rng.uniform(-20, -1));
  const double level = gain * root_mean_square(speech);
  const size_t start = rng.below(clip.size() - speech.size() + 1);
  mix(std::span(clip).subspan(start, speech.size()), speech, gain);
  const double snr_db = rng.uniform(options.lowest_snr_db, options.lowest_snr_db + 30);
  mix(clip, background(recipe, rng), level * from_db(-snr_db));
  limit(clip);
  return to_recording(clip, options.sample_rate_hz);
}

// A place without speech has its own noise, which gets louder and quieter.
Recording make_silence(const Recipe& recipe, const Take& take) {
  const SpeakOptions& options = recipe.options;
  Rng place_rng({options.seed, kPlaceStream, take.voice});
  const double slope = place_rng.uniform(0, 2);
  const double mains_hz = place_rng.below(2) != 0 ? 50 : 60;
  const double hum_share = place_rng.below(3) == 0 ? place_rng.uniform(0.2, 2) : 0;
  Rng rng({options.seed, kSilenceStream, take.voice, static_cast<uint64_t>(take.number)});
  std::vector<float> noise = coloured_noise(recipe.clip_samples(), options.sample_rate_hz, slope, rng);
  if (hum_share > 0) mix(noise, mains_hum(noise.size(), options.sample_rate_hz, mains_hz, rng), hum_share);
  std::vector<float> clip(noise.size(), 0);
  mix(clip, noise, kFullScale * from_db(rng.uniform(-58, -24)));
  return to_recording(clip, options.sample_rate_hz);
}

Utterance make_utterance(const std::string& text, Rng rng) {
  constexpr const char* kMarks[] = {"", ".", "?", "!"};
  return {text, rng.uniform(0.75, 1.3), rng.uniform(-0.25, 0.35), kMarks[rng.below(std::size(kMarks))]};
}

// Several voices talking at once, in an endless loop.
Result<std::vector<float>> make_babble(const SpeakOptions& options) {
  std::vector<float> babble(static_cast<size_t>((4 + 2 * options.seconds) * options.sample_rate_hz), 0);
  const std::vector<Voice> voices = background_voices();
  constexpr const char* kTalk =
      "we talked about the weather and the garden, then about our neighbours and what they had for supper last Sunday";
  for (size_t v = 0; v < voices.size(); ++v) {
    Rng rng({options.seed, kBabbleStream, v});
    const Utterance talk = make_utterance(kTalk, rng);
    THIMBLE_LET(const std::vector<Recording> spoken, speak(voices[v], std::span(&talk, 1)));
    const std::vector<float> raw(spoken[0].samples.begin(), spoken[0].samples.end());
    const std::vector<float> voice =
        resample(raw, static_cast<double>(spoken[0].sample_rate_hz) / options.sample_rate_hz);
    const double gain = 1 / std::max(1.0, root_mean_square(voice));
    const size_t start = rng.below(voice.size());
    for (size_t i = 0; i < babble.size(); ++i)
      babble[i] += static_cast<float>(gain * voice[(start + i) % voice.size()]);
  }
  const double gain = 1 / root_mean_square(babble);
  for (float& sample : babble) sample = static_cast<float>(gain * sample);
  return babble;
}

Outcome make_take(const Recipe& recipe, const Path& folder, const Take& take) {
  const SpeakOptions& options = recipe.options;
  const uint64_t voice = take.voice, number = static_cast<uint64_t>(take.number);
  const std::vector<std::string> paths = clip_paths(recipe, take);
  std::vector<std::string> texts = options.words;
  if (!options.unknown_words.empty()) {
    const uint64_t turn = voice * static_cast<uint64_t>(recipe.takes()) + number;
    texts.push_back(options.unknown_words[turn % options.unknown_words.size()]);
  }
  std::vector<Utterance> utterances;
  for (size_t w = 0; w < texts.size(); ++w)
    utterances.push_back(make_utterance(texts[w], Rng({options.seed, kUtteranceStream, voice, number, w})));
  THIMBLE_LET(const std::vector<Recording> spoken, speak(recipe.voices[take.voice], utterances));
  for (size_t w = 0; w < texts.size(); ++w) {
    const Rng rng({options.seed, kClipStream, voice, number, w});
    THIMBLE_TRY(write_wav(folder / paths[w], make_clip(recipe, spoken[w], rng)));
  }
  if (options.silence) THIMBLE_TRY(write_wav(folder / paths.back(), make_silence(recipe, take)));
  return {};
}

Outcome check_word(const std::string& word, std::set<std::string>& seen) {
  const auto error = [&](std::string_view problem) {
    return fail(ErrorCode::usage, fmt::format("the word \"{}\" {}", word, problem), "words",
                "use plain words such as \"left\"");
  };
  if (word.empty() || word.front() == '_' || word.front() == '.' || word.front() == ' ')
    return error("cannot name a class folder");
  for (char c : word)
    if (c == '/' || c == '\\' || c == '<' || c == '&' || static_cast<unsigned char>(c) < ' ')
      return error("holds a character that a folder's name cannot");
  if (word == kUnknown || word == kSilence) return error("is the name of a class of its own");
  if (!seen.insert(word).second) return error("is there twice");
  return {};
}

Outcome check_options(const SpeakOptions& options) {
  std::set<std::string> seen;
  for (const std::string& word : options.words) THIMBLE_TRY(check_word(word, seen));
  seen.clear();
  for (const std::string& word : options.unknown_words) THIMBLE_TRY(check_word(word, seen));
  const auto in_range = [](std::string_view name, double value, double low, double high) -> Outcome {
    if (value >= low && value <= high) return {};
    return fail(ErrorCode::usage, fmt::format("{} is {}, expected {} to {}", name, value, low, high),
                std::string(name));
  };
  if (options.words.empty()) return fail(ErrorCode::usage, "there are no words to speak", "words");
  THIMBLE_TRY(in_range("clips_per_class", options.clips_per_class, 2, 100'000));
  THIMBLE_TRY(in_range("voices", options.voices, 3, 48));
  THIMBLE_TRY(in_range("sample_rate_hz", options.sample_rate_hz, 4000, 48'000));
  THIMBLE_TRY(in_range("seconds", options.seconds, 0.5, 10));
  return in_range("lowest_snr_db", options.lowest_snr_db, -20, 60);
}

Json settings_of(const Recipe& recipe, const std::string& version) {
  const SpeakOptions& options = recipe.options;
  Json voices = Json::array();
  for (const Voice& voice : recipe.voices) voices.push_back(voice.name());
  return {{"recipe", kRecipe},          {"synthesiser", version},
          {"words", options.words},     {"unknown_words", options.unknown_words},
          {"silence", options.silence}, {"clips_per_class", options.clips_per_class},
          {"voices", voices},           {"sample_rate_hz", options.sample_rate_hz},
          {"seconds", options.seconds}, {"lowest_snr_db", options.lowest_snr_db},
          {"seed", options.seed}};
}

// A path that an earlier call may have written: "yes/en-us-f3_nohash_0.wav".
bool is_clip_path(const std::string& path) {
  return std::ranges::count(path, '/') == 1 && path.ends_with(".wav") && path.find("_nohash_") != std::string::npos &&
         !path.starts_with('.') && !path.starts_with('/');
}

// Removes the clips of an earlier call that had other options, and says in the folder what it is going to hold.
Outcome prepare_folder(const Path& folder, const Json& settings, const std::vector<std::string>& paths) {
  const Path manifest = folder / kManifest;
  std::error_code code;
  if (std::filesystem::exists(manifest)) {
    THIMBLE_LET(const std::string text, read_text(manifest));
    const Json old = Json::parse(text, nullptr, false);
    if (old.is_object() && old.contains("settings") && old["settings"] == settings) return {};
    if (!old.is_object() || !old.contains("clips") || !old["clips"].is_array())
      return fail(ErrorCode::bad_data, "this is not the list of clips that it should be", manifest.string(),
                  "remove the folder, or choose another");
    for (const Json& clip : old["clips"]) {
      if (!clip.is_string() || !is_clip_path(clip.get<std::string>())) continue;
      const Path path = folder / clip.get<std::string>();
      std::filesystem::remove(path, code);
      std::filesystem::remove(path.parent_path(), code);  // once it is empty
    }
  } else if (std::filesystem::exists(folder) && !std::filesystem::is_empty(folder, code)) {
    return fail(ErrorCode::usage, "the folder holds something else already", folder.string(), "choose a new folder");
  }
  return write_text(manifest, Json{{"settings", settings}, {"clips", paths}}.dump(1) + "\n");
}

}  // namespace

Result<SpokenSet> speak_keywords(const Path& folder, const SpeakOptions& options, Progress& progress) {
  THIMBLE_TRY(check_options(options));
  Recipe recipe{.options = options};
  std::erase_if(recipe.options.unknown_words,
                [&](const std::string& word) { return std::ranges::find(options.words, word) != options.words.end(); });
  THIMBLE_LET(recipe.voices, find_voices());
  recipe.voices.resize(std::min(recipe.voices.size(), static_cast<size_t>(options.voices)));
  THIMBLE_LET(const std::string version, espeak_version());
  std::vector<std::string> paths;
  for (const Take& take : takes_of(recipe))
    for (std::string& path : clip_paths(recipe, take)) paths.push_back(std::move(path));
  THIMBLE_TRY(prepare_folder(folder, settings_of(recipe, version), paths));

  SpokenSet set{static_cast<int64_t>(paths.size()), 0, static_cast<int64_t>(recipe.voices.size())};
  std::vector<Take> missing;
  for (const Take& take : takes_of(recipe)) {
    const int64_t count = std::ranges::count_if(
        clip_paths(recipe, take), [&](const std::string& path) { return !std::filesystem::exists(folder / path); });
    set.made += count;
    if (count > 0) missing.push_back(take);
  }
  if (!missing.empty()) {
    THIMBLE_LET(recipe.babble, make_babble(options));
  }
  THIMBLE_TRY(for_each_parallel(static_cast<int64_t>(missing.size()), "speaking", progress, [&](int64_t index) {
    return make_take(recipe, folder, missing[static_cast<size_t>(index)]);
  }));
  progress.end(fmt::format("{} clips of {} voices, {} of them new", set.clips, set.voices, set.made));
  return set;
}

}  // namespace thimble
