#include "emulate/cycles.h"

#include <gtest/gtest.h>

#include <sstream>

namespace thimble {

namespace {

// A function at 0x100 called from main at 0x10: a loop of two rounds, the second of which leaves it.
constexpr const char* kLog = R"(IN: main
0x00000010:  4770       bl       #0x100

Trace 0: 0x7f01 [0/00000010/0/0] main
IN: model_invoke
0x00000100:  f8d2 3d88  ldr.w    r3, [r2]
0x00000104:  6811       ldr      r1, [r2, #4]
0x00000106:  b430       push     {r4, r5}
0x00000108:  fb03 1301  mla      r3, r3, r1, r1

Trace 0: 0x7f02 [0/00000100/0/0] model_invoke
IN: model_invoke
0x0000010c:  3b01       subs     r3, #1
0x0000010e:  d1fd       bne      #0x10c

Trace 0: 0x7f03 [0/0000010c/0/0] model_invoke
Trace 0: 0x7f03 [0/0000010c/0/0] model_invoke
IN: model_invoke
0x00000110:  4770       bx       lr

Trace 0: 0x7f04 [0/00000110/0/0] model_invoke
IN: main
0x00000014:  bf00       nop

Trace 0: 0x7f05 [0/00000014/0/0] main
Trace 0: 0x7f02 [0/00000100/0/0] model_invoke
)";

Result<CycleEstimate> count(const std::string& core, const std::string& log) {
  CycleCounter counter(*find_core_cycles(core), {.begin = 0x100, .back = 0x10, .back_bytes = 0x10});
  std::istringstream lines(log);
  for (std::string line; std::getline(lines, line);) counter.line(line);
  return counter.finish();
}

}  // namespace

TEST(Cycles, AreCountedByClassFromTheBlocksOfTheInference) {
  const auto m4 = count("cortex-m4", kLog);
  ASSERT_TRUE(m4) << to_string(m4.error());
  EXPECT_EQ(m4->instructions, 9);
  // Loads 2 + 1, push 1 + 2, mla 1, two rounds of 2, bx 1; one branch taken: 2. (The return ends the count.)
  EXPECT_EQ(m4->cycles, 2 + 1 + 3 + 1 + 4 + 1 + 2);
  EXPECT_EQ(m4->instructions_by_class.at("branch"), 3);
  EXPECT_EQ(m4->instructions_by_class.at("load"), 2);
  EXPECT_EQ(count("cortex-m3", kLog)->cycles, m4->cycles + 1) << "multiply-accumulate takes two cycles";
}

TEST(Cycles, AreNotGuessedForCoresWithoutATable) { EXPECT_EQ(find_core_cycles("hazard3"), nullptr); }

TEST(Cycles, NeedAnInferenceInTheLog) { EXPECT_FALSE(count("cortex-m4", "Trace 0: 0x7f05 [0/00000014/0/0] main\n")); }

}  // namespace thimble
