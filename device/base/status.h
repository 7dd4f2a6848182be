// What a device function that can fail returns: one byte. The host turns it into words from the same list.
#pragma once
#include <stdint.h>

namespace thimble {
namespace device {

// THIMBLE_STATUS(name, number, cause, remedy)
enum class [[nodiscard]] Status : uint8_t{
#define THIMBLE_STATUS(name, number, cause, remedy) name = number,
#include "device/base/status.def"
#undef THIMBLE_STATUS
};

}  // namespace device
}  // namespace thimble
