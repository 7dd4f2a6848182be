# Presets device-*: the device half alone, compiled for one core with every kernel in it, and its code size per kernel.
# It proves that device/ needs nothing but a C++17 compiler.
file(WRITE ${CMAKE_BINARY_DIR}/every_kernel.cpp "#include \"device/runtime/invoke.h\"\n")
file(GLOB_RECURSE headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/device/kernels/*.h ${CMAKE_SOURCE_DIR}/device/dsp/*.h ${CMAKE_SOURCE_DIR}/device/runtime/*.h)
foreach(header ${headers})
  file(APPEND ${CMAKE_BINARY_DIR}/every_kernel.cpp "#include \"${header}\"\n")
endforeach()
file(APPEND ${CMAKE_BINARY_DIR}/every_kernel.cpp "namespace thimble::device {
extern const KernelEntry kEveryKernel[];
const KernelEntry kEveryKernel[] = {
#define THIMBLE_KERNEL(id, function, header) kernel_entry<function>(id),
#include \"device/kernels/kernels.def\"
#undef THIMBLE_KERNEL
};
}
")
add_library(thimble_every_kernel OBJECT ${CMAKE_BINARY_DIR}/every_kernel.cpp)
target_include_directories(thimble_every_kernel PRIVATE ${CMAKE_SOURCE_DIR})
target_compile_options(thimble_every_kernel PRIVATE ${THIMBLE_DEVICE_FLAGS} -O2 -ffreestanding -fno-exceptions -fno-rtti -ffunction-sections -Wall -Wextra -Werror)
set_target_properties(thimble_every_kernel PROPERTIES CXX_STANDARD 17)
string(REPLACE "g++" "size" size ${CMAKE_CXX_COMPILER})
add_custom_target(thimble_device_size ALL COMMAND ${size} $<TARGET_OBJECTS:thimble_every_kernel> DEPENDS $<TARGET_OBJECTS:thimble_every_kernel> VERBATIM)
