// A bundle is untrusted until it is checked: no byte of it may crash the loader, and what it accepts runs as planned.
#include "device/runtime/bundle.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "plan/session.h"
#include "random_graph.h"

using namespace thimble;
using namespace thimble::test;
using device::Status;

namespace {

struct Fixture {
  Graph graph = GraphMaker::random(11, 8);
  Plan plan = make_plan(graph, {.signal_fingerprint = 0x1234}).value();
  std::vector<uint8_t> bundle = write_bundle(plan);
  std::vector<device::KernelEntry> kernels;
  device::BundleHost host;

  Fixture() {
    for (const KernelInfo& kernel : all_kernels()) kernels.push_back(kernel.entry);
    host = {kernels.data(), static_cast<uint32_t>(kernels.size()), static_cast<uint32_t>(plan.arena_bytes), 0x1234};
  }
  // Of an exact copy, so that a sanitizer sees every read outside.
  Status check(const std::vector<uint8_t>& bytes) const {
    const std::vector<uint8_t> copy = bytes;
    return device::check_bundle(copy.data(), static_cast<uint32_t>(copy.size()), host);
  }
};

device::BundleHeader header_of(const std::vector<uint8_t>& bundle) {
  device::BundleHeader header;
  std::memcpy(&header, bundle.data(), sizeof(header));
  return header;
}

void store(std::vector<uint8_t>& bundle, device::BundleHeader header) {
  std::memcpy(bundle.data(), &header, sizeof(header));
  if (header.total_bytes >= 16 && header.total_bytes <= bundle.size())
    header.crc32 = device::crc32(bundle.data() + 16, header.total_bytes - 16);
  std::memcpy(bundle.data(), &header, sizeof(header));
}

}  // namespace

TEST(Bundle, WhatIsWrittenIsAccepted) {
  const Fixture fixture;
  EXPECT_EQ(fixture.check(fixture.bundle), Status::ok);
  EXPECT_EQ(fixture.bundle.size() % 4, 0u);
  const auto header = header_of(fixture.bundle);
  EXPECT_EQ(header.total_bytes, fixture.bundle.size());
  EXPECT_EQ(header.signature_kind, 0);
  const auto input = device::bundle_input(fixture.bundle.data(), 0);
  EXPECT_EQ(input.arena_offset, fixture.plan.inputs[0].arena_offset);
  EXPECT_EQ(input.bytes, fixture.plan.inputs[0].bytes);
  EXPECT_EQ(input.zero_point, fixture.plan.inputs[0].quantization.zero_point[0]);
  EXPECT_EQ(device::bundle_output(fixture.bundle.data(), 0).arena_offset, fixture.plan.outputs[0].arena_offset);
}

TEST(Bundle, EveryFlippedByteIsRefused) {
  const Fixture fixture;
  for (size_t i = 0; i < fixture.bundle.size(); ++i) {
    std::vector<uint8_t> damaged = fixture.bundle;
    damaged[i] ^= 0x41;
    EXPECT_NE(fixture.check(damaged), Status::ok) << "byte " << i;
  }
}

TEST(Bundle, EveryTruncationIsRefused) {
  const Fixture fixture;
  for (size_t size = 0; size < fixture.bundle.size(); ++size)
    EXPECT_NE(fixture.check({fixture.bundle.begin(), fixture.bundle.begin() + static_cast<std::ptrdiff_t>(size)}),
              Status::ok)
        << size;
}

TEST(Bundle, HostileBytesWithAValidChecksumNeverReachOutside) {
  const Fixture fixture;
  const uint32_t records = header_of(fixture.bundle).constants_offset;
  for (size_t i = 0; i < records; ++i)
    for (uint8_t value : {0x00, 0x01, 0x7F, 0x80, 0xFF}) {
      std::vector<uint8_t> hostile = fixture.bundle;
      hostile[i] = value;
      store(hostile, header_of(hostile));
      (void)fixture.check(hostile);  // any status; a sanitizer build would stop at a bad read
    }
}

TEST(Bundle, OffsetsOutsideAreBadLayout) {
  const Fixture fixture;
  const auto with = [&](auto change) {
    std::vector<uint8_t> bundle = fixture.bundle;
    auto header = header_of(bundle);
    change(header);
    store(bundle, header);
    return fixture.check(bundle);
  };
  EXPECT_EQ(with([](auto&) {}), Status::ok);
  EXPECT_EQ(with([](auto& h) { h.calls_offset = h.total_bytes; }), Status::bad_layout);
  EXPECT_EQ(with([](auto& h) { h.calls_offset += 2; }), Status::bad_layout);
  EXPECT_EQ(with([](auto& h) { h.calls = 0x40000000; }), Status::bad_layout);
  EXPECT_EQ(with([](auto& h) { h.tensors_offset = 0xFFFFFFFC; }), Status::bad_layout);
  EXPECT_EQ(with([](auto& h) { h.constants_bytes += 64; }), Status::bad_layout);
  EXPECT_EQ(with([](auto& h) { h.constants_bytes = 4; }), Status::bad_layout);
  EXPECT_EQ(with([](auto& h) { h.arena_bytes = 16; }), Status::bad_layout);
  EXPECT_EQ(with([](auto& h) { h.arena_bytes *= 2; }), Status::arena_too_small);
  EXPECT_EQ(with([](auto& h) { h.signal_fingerprint ^= 1; }), Status::wrong_signal);
  EXPECT_EQ(with([](auto& h) { ++h.version; }), Status::bad_version);
  EXPECT_EQ(with([](auto& h) { h.signature_kind = 1; }), Status::bad_version);
  EXPECT_EQ(with([](auto& h) { h.magic = 0; }), Status::bad_magic);
}

TEST(Bundle, KernelThatTheFirmwareLacksIsNamed) {
  Fixture fixture;
  fixture.host.kernel_count = 0;
  EXPECT_EQ(fixture.check(fixture.bundle), Status::unknown_kernel);
}

TEST(Bundle, RunsInPlaceAndGivesTheSessionsBytes) {
  const Fixture fixture;
  auto session = Session::make(fixture.plan).value();
  const ValueBytes inputs = random_inputs(fixture.graph, 5);
  alignas(16) static uint8_t arena[1 << 16];
  ASSERT_LE(fixture.plan.arena_bytes, static_cast<int64_t>(sizeof(arena)));
  for (size_t i = 0; i < fixture.graph.inputs.size(); ++i) {
    const auto& bytes = inputs.at(fixture.graph.inputs[i]);
    std::ranges::copy(bytes, session.input(i).begin());
    std::ranges::copy(bytes,
                      arena + device::bundle_input(fixture.bundle.data(), static_cast<uint32_t>(i)).arena_offset);
  }
  session.invoke();
  device::run_bundle(fixture.bundle.data(), arena, fixture.host);
  for (size_t i = 0; i < fixture.graph.outputs.size(); ++i) {
    const auto record = device::bundle_output(fixture.bundle.data(), static_cast<uint32_t>(i));
    EXPECT_TRUE(std::ranges::equal(session.output(i), std::span(arena + record.arena_offset, record.bytes))) << i;
  }
}
