// The espeak-ng speech synthesiser, run as a program (it is GPL, so it is never linked).
#pragma once
#include <span>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace thimble {

// One timbre with one accent, such as the variant f3 speaking en-us.
struct Voice {
  std::string variant;
  std::string accent;

  std::string name() const { return accent + "+" + variant; }  // as espeak-ng calls it
  std::string file_name() const { return accent + "-" + variant; }
};

struct Utterance {
  std::string text;
  double rate = 1;   // times the usual speed
  double pitch = 0;  // -0.2 = 20 % lower
  std::string mark;  // "." "?" "!" or nothing: how the voice falls or rises
};

// Timbres that speak intelligibly and differ from each other, each with one accent only, so that a voice kept for
// testing is one that training never heard. Those this espeak-ng does not have are left out. Errors: tool_missing,
// tool_failed.
Result<std::vector<Voice>> find_voices();

// Further timbres, for voices in the background.
std::vector<Voice> background_voices();

// "eSpeak NG text-to-speech: 1.51"
Result<std::string> espeak_version();

// Speaks all utterances in one run of the program; each comes back by itself without the silence around it.
// Errors: tool_missing, tool_failed (naming the text that gave no sound), cancelled.
Result<std::vector<Recording>> speak(const Voice& voice, std::span<const Utterance> utterances);

}  // namespace thimble
