// .npy files: what NumPy writes is read, and nothing else crashes.
#include "data/npy.h"

#include <gtest/gtest.h>

#include <string>

using namespace thimble;

namespace {

std::vector<uint8_t> npy(std::string header, std::string data, char version = 1) {
  std::string file = "\x93NUMPY";
  file += version;
  file += '\0';
  file += static_cast<char>(header.size());
  file += '\0';
  if (version > 1) file += std::string(2, '\0');
  file += header + data;
  return {file.begin(), file.end()};
}

template <class T>
std::string bytes_of(std::vector<T> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

}  // namespace

TEST(Npy, ReadsEveryVersionAndType) {
  for (const char version : {1, 2, 3}) {
    const auto tensor = read_npy(
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }  \n", bytes_of<float>({1.5f, -2}), version));
    ASSERT_TRUE(tensor) << to_string(tensor.error());
    EXPECT_EQ(tensor->shape, (Shape{2, 1}));
    EXPECT_EQ(tensor->as<float>()[1], -2);
  }
  const auto doubles =
      read_npy(npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }\n", bytes_of<double>({0.5, 3})));
  ASSERT_TRUE(doubles);
  EXPECT_EQ(doubles->dtype, DType::f32);
  EXPECT_EQ(doubles->as<float>()[0], 0.5f);
  const auto scalar = read_npy(npy("{'descr': '|i1', 'fortran_order': False, 'shape': (), }\n", "\x05"));
  ASSERT_TRUE(scalar);
  EXPECT_EQ(scalar->as<int8_t>()[0], 5);
}

TEST(Npy, RefusesWhatItCannotRead) {
  const std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n";
  const auto error_of = [](const std::vector<uint8_t>& file) { return read_npy(file).error(); };
  EXPECT_EQ(error_of(npy("{'descr': '<f4', 'fortran_order': True, 'shape': (2,), }", "12345678")).code,
            ErrorCode::unsupported);
  EXPECT_EQ(error_of(npy("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", "12345678")).code,
            ErrorCode::unsupported);
  EXPECT_EQ(
      error_of(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999999, 99999999), }", "1234")).code,
      ErrorCode::bad_data);
  EXPECT_EQ(error_of(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", "1234")).code,
            ErrorCode::bad_data);
  const std::vector<uint8_t> whole = npy(header, bytes_of<float>({1, 2}));
  for (size_t length = 0; length < whole.size(); ++length)
    EXPECT_FALSE(read_npy(std::span(whole).first(length))) << length;
}
