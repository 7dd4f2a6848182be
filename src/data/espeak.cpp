#include "data/espeak.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>

#include "core/process.h"
#include "data/wav.h"

namespace thimble {

namespace {

// "en" is British; under the name en-gb espeak-ng 1.51 ignores the variant.
constexpr std::string_view kAccents[] = {"en-us",  "en",        "en-gb-scotland", "en-gb-x-rp",
                                         "en-029", "en-us-nyc", "en-gb-x-gbclan", "en-gb-x-gbcwmd"};

// Chosen by measurement (espeak-ng 1.51): at least 7 of 8 words recognised by the nearest words of the other variants,
// and no two with nearly the same spectra. Whispers, robots and effects are out.
constexpr std::string_view kVariants[] = {
    "f1",      "m2",      "Andrea", "david",   "linda",   "Denis",  "Annie",      "Diogo",   "steph",   "ed",
    "aunty",   "iven",    "anika",  "iven4",   "f3",      "Jacky",  "shelby",     "john",    "belinda", "Lee",
    "grandma", "marcelo", "f4",     "max",     "f5",      "Mario",  "adam",       "Michael", "Andy",    "Nguyen",
    "antonio", "pablo",   "boris",  "paul",    "grandpa", "pedro",  "m3",         "quincy",  "m4",      "rob",
    "m5",      "Storm",   "m8",     "norbert", "sandro",  "travis", "kaukovalta", "Gene"};

constexpr std::string_view kBackgroundVariants[] = {"fast", "gustave", "victor", "f2", "Mike", "AnxiousAndy"};

constexpr int kUsualWordsPerMinute = 165;
constexpr std::string_view kPause = "<break time=\"800ms\"/>";
constexpr double kLongestGap_s = 0.35;  // within a word or phrase: closures of stops, pauses at blanks
constexpr double kNeverCut_s = 3600;
constexpr double kAudible = 0.006;  // of the loudest sample

std::string escape(std::string_view text) {
  std::string escaped;
  for (char c : text) escaped += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : std::string(1, c);
  return escaped;
}

std::string to_ssml(std::span<const Utterance> utterances) {
  std::string ssml = "<speak>";
  for (const Utterance& utterance : utterances)
    ssml += fmt::format("<prosody rate=\"{:.0f}%\" pitch=\"{:+.0f}%\">{}{}</prosody>{}", 100 * utterance.rate,
                        100 * utterance.pitch, escape(utterance.text), utterance.mark, kPause);
  return ssml + "</speak>";
}

// Stretches of sound with silences longer than gap_s between them.
std::vector<Recording> cut_at_pauses(const Recording& recording, double gap_s) {
  int loudest = 0;
  for (int16_t sample : recording.samples) loudest = std::max(loudest, std::abs(static_cast<int>(sample)));
  const double threshold = std::max(1.0, kAudible * loudest);
  const size_t gap = static_cast<size_t>(gap_s * recording.sample_rate_hz);
  std::vector<std::pair<size_t, size_t>> stretches;  // [first, last]
  for (size_t i = 0; i < recording.samples.size(); ++i) {
    if (std::abs(static_cast<int>(recording.samples[i])) < threshold) continue;
    if (stretches.empty() || i - stretches.back().second > gap) stretches.push_back({i, i});
    stretches.back().second = i;
  }
  std::vector<Recording> parts;
  for (const auto& [first, last] : stretches) {
    const auto begin = recording.samples.begin();
    parts.push_back({recording.sample_rate_hz,
                     1,
                     {begin + static_cast<std::ptrdiff_t>(first), begin + static_cast<std::ptrdiff_t>(last + 1)}});
  }
  return parts;
}

Result<Recording> run_espeak(const Voice& voice, std::span<const Utterance> utterances) {
  const Command command{.words = {"espeak-ng", "-m", "-v", voice.name(), "-s", std::to_string(kUsualWordsPerMinute),
                                  "--stdout", to_ssml(utterances)},
                        .timeout_s = 60};
  THIMBLE_LET(const CommandResult result, run_command(command));
  if (result.exit_status != 0)
    return fail(ErrorCode::tool_failed, fmt::format("exit status {}: {}", result.exit_status, result.errors),
                to_string(command));
  THIMBLE_LET(Recording recording, parse_streamed_wav(result.output, "espeak-ng"));
  if (recording.channels != 1)
    return fail(ErrorCode::tool_failed, fmt::format("expected one channel, found {}", recording.channels),
                to_string(command));
  return recording;
}

}  // namespace

Result<std::vector<Voice>> find_voices() {
  const Command command{.words = {"espeak-ng", "--voices=variant"}};
  THIMBLE_LET(const CommandResult result, run_command(command));
  std::set<std::string, std::less<>> present;
  constexpr std::string_view kFolder = "!v/";
  for (size_t at = 0; (at = result.output.find(kFolder, at)) != std::string::npos;) {
    at += kFolder.size();
    present.insert(result.output.substr(at, result.output.find_first_of(" \n", at) - at));
  }
  std::vector<Voice> voices;
  for (std::string_view variant : kVariants)
    if (present.contains(variant))
      voices.push_back({std::string(variant), std::string(kAccents[voices.size() % std::size(kAccents)])});
  if (voices.empty())
    return fail(ErrorCode::tool_failed, "espeak-ng has none of the voices that thimble knows", to_string(command),
                "install the voices: apt-get install espeak-ng-data");
  return voices;
}

std::vector<Voice> background_voices() {
  std::vector<Voice> voices;
  for (std::string_view variant : kBackgroundVariants)
    voices.push_back({std::string(variant), std::string(kAccents[voices.size() % std::size(kAccents)])});
  return voices;
}

Result<std::string> espeak_version() {
  THIMBLE_LET(const CommandResult result, run_command({.words = {"espeak-ng", "--version"}}));
  return result.output.substr(0, result.output.find("  "));
}

Result<std::vector<Recording>> speak(const Voice& voice, std::span<const Utterance> utterances) {
  THIMBLE_LET(const Recording recording, run_espeak(voice, utterances));
  std::vector<Recording> parts = cut_at_pauses(recording, utterances.size() == 1 ? kNeverCut_s : kLongestGap_s);
  if (parts.size() == utterances.size()) return parts;
  if (utterances.size() == 1)
    return fail(ErrorCode::tool_failed, fmt::format("espeak-ng made no sound for \"{}\"", utterances[0].text),
                voice.name(), "choose another word");
  parts.clear();  // a text with a long pause in it, or without sound: one by one tells
  for (const Utterance& utterance : utterances) {
    THIMBLE_LET(std::vector<Recording> one, speak(voice, std::span(&utterance, 1)));
    parts.push_back(std::move(one[0]));
  }
  return parts;
}

}  // namespace thimble
