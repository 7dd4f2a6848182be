# A newcomer's commands. Everything else is CMake: see CMakePresets.json and CONTRIBUTING.md.
BUILD ?= build

.PHONY: all demo test check bench budgets format clean
all: $(BUILD)/build.ninja
	cmake --build $(BUILD) --target thimble

demo: all
	$(BUILD)/thimble demo $(BUILD)/demo

test: packages-test $(BUILD)/build.ninja
	cmake --build $(BUILD)
	ctest --test-dir $(BUILD) --output-on-failure -j 2

check: packages-test $(BUILD)/build.ninja
	cmake --build $(BUILD)
	ctest --test-dir $(BUILD) --output-on-failure -j 2 -L check

bench: packages-test
	cmake -S . -B $(BUILD)-bench -G Ninja -DTHIMBLE_BENCH=ON -DTHIMBLE_TESTS=OFF
	cmake --build $(BUILD)-bench

# Measures the reference models on every core anew: bench/budgets.json and docs/budgets.md.
budgets: packages-test $(BUILD)/build.ninja
	cmake --build $(BUILD) --target test_budgets
	THIMBLE_WRITE_BUDGETS=1 $(BUILD)/tests/test_budgets

format: packages-test
	scripts/check_format.sh --fix

$(BUILD)/build.ninja: CMakeLists.txt | packages
	cmake -S . -B $(BUILD) -G Ninja

.PHONY: packages packages-test
packages:
	@scripts/install_packages.sh build run
packages-test: packages
	@scripts/install_packages.sh test

clean:
	rm -rf $(BUILD)
