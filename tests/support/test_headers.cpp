// What tests/CMakeLists.txt precompiles hangs on this file.
