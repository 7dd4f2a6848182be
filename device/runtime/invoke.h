// Calls any kernel through one shape: a parameter block and an array of operand pointers. The kernel's own signature
// says what each operand is, so there is no adapter to write per kernel.
#pragma once
#include <stdint.h>

namespace thimble {
namespace device {

using InvokeFn = void (*)(const void* params, void* const* operands);

template <int... index>
struct Indices {};
template <int count, int... index>
struct CountTo : CountTo<count - 1, count - 1, index...> {};
template <int... index>
struct CountTo<0, index...> {
  using Type = Indices<index...>;
};

template <class Function>
struct KernelSignature;

template <class Params_, class... Pointers>
struct KernelSignature<void (*)(const Params_&, Pointers...)> {
  using Params = Params_;
  static constexpr int kOperands = sizeof...(Pointers);

  template <void (*kernel)(const Params_&, Pointers...)>
  static void invoke(const void* params, void* const* operands) {
    call<kernel>(*static_cast<const Params_*>(params), operands, typename CountTo<kOperands>::Type{});
  }

 private:
  template <void (*kernel)(const Params_&, Pointers...), int... index>
  static void call(const Params_& params, void* const* operands, Indices<index...>) {
    kernel(params, static_cast<Pointers>(operands[index])...);
  }
};

template <auto kernel>
using ParamsOf = typename KernelSignature<decltype(kernel)>::Params;

struct KernelEntry {
  uint16_t id;
  uint8_t operands;  // count
  uint8_t params;    // int32 fields of its parameter struct
  InvokeFn invoke;
};

template <auto kernel>
constexpr KernelEntry kernel_entry(uint16_t id) {
  using Signature = KernelSignature<decltype(kernel)>;
  constexpr auto kParams = sizeof(typename Signature::Params) / sizeof(int32_t);
  static_assert(Signature::kOperands <= 255 && kParams <= 255, "counts are stored in a byte");
  return {id, Signature::kOperands, kParams, &Signature::template invoke<kernel>};
}

}  // namespace device
}  // namespace thimble
