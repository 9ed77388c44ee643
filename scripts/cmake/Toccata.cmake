# Build rules shared by every folder. A folder is a target `toccata_<name>` with the alias `toccata::<name>`.

# Warnings, language level and sanitizers; every target links it privately.
add_library(toccata_flags INTERFACE)
target_compile_features(toccata_flags INTERFACE cxx_std_20)
target_compile_options(toccata_flags INTERFACE
  # g++ 12 reports false -Wrestrict at -O2 and above (GCC bug 105651).
  $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic;-Wshadow;-Wnon-virtual-dtor;-Werror;-Wno-restrict>
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:Clang>>:-Wno-unknown-warning-option>)
target_include_directories(toccata_flags INTERFACE ${CMAKE_SOURCE_DIR})
if(TOCCATA_SANITIZE)
  target_compile_options(toccata_flags INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${TOCCATA_SANITIZE};-fno-omit-frame-pointer;-fno-sanitize-recover=all>)
  target_link_options(toccata_flags INTERFACE -fsanitize=${TOCCATA_SANITIZE})
  if(TOCCATA_SANITIZE STREQUAL thread)  # false alarms of g++ 12 about what the sanitizer adds
    target_compile_options(toccata_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-maybe-uninitialized>)
  endif()
endif()

# -O1 is a quarter less to compile. g++ 12 sees overflows inside the precompiled std::string, and at -O1 uninitialised
# values, where there are none.
set(TOCCATA_COLD -O1 -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread -Wno-maybe-uninitialized)
# What cold libraries include, compiled once: half of what such a file costs.
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/cold_headers.cpp CONTENT "")
add_library(toccata_cold_headers OBJECT ${CMAKE_BINARY_DIR}/generated/cold_headers.cpp)
set_target_properties(toccata_cold_headers PROPERTIES POSITION_INDEPENDENT_CODE ON)
target_link_libraries(toccata_cold_headers PRIVATE toccata_flags)
target_compile_options(toccata_cold_headers PRIVATE ${TOCCATA_COLD})
target_precompile_headers(toccata_cold_headers PRIVATE
  <algorithm> <chrono> <filesystem> <functional> <iostream> <map> <memory> <mutex> <optional> <set> <sstream> <string>
  <string_view> <thread> <utility> <vector> <nlohmann/json.hpp>)

# toccata_library(name [COLD] SOURCES a.cpp ... [LINK public libs...] [PRIVATE_LINK libs...])
# COLD: code that runs for moments and compiles for minutes: at -O1, with the headers above.
function(toccata_library name)
  cmake_parse_arguments(ARG "COLD" "" "SOURCES;LINK;PRIVATE_LINK" ${ARGN})
  add_library(toccata_${name} STATIC ${ARG_SOURCES})
  add_library(toccata::${name} ALIAS toccata_${name})
  set_target_properties(toccata_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_link_libraries(toccata_${name} PUBLIC ${ARG_LINK} PRIVATE ${ARG_PRIVATE_LINK} toccata_flags)
  target_include_directories(toccata_${name} PUBLIC ${CMAKE_SOURCE_DIR})
  if(ARG_COLD)
    target_compile_options(toccata_${name} PRIVATE ${TOCCATA_COLD})
    target_precompile_headers(toccata_${name} REUSE_FROM toccata_cold_headers)
  endif()
endfunction()

# toccata_embed(target symbol file): puts the bytes of `file` into `target` as
#   extern "C" const unsigned char <symbol>_begin[], <symbol>_end[];
# 64-byte aligned, so that mapped tensors may be read in place.
function(toccata_embed target symbol file)
  get_filename_component(path ${file} ABSOLUTE)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/${symbol}.S)
  file(CONFIGURE OUTPUT ${out} @ONLY CONTENT
".section .rodata
.balign 64
.global @symbol@_begin
.global @symbol@_end
@symbol@_begin:
.incbin \"@path@\"
@symbol@_end:
.byte 0
.section .note.GNU-stack,\"\",%progbits
")
  set_property(SOURCE ${out} PROPERTY OBJECT_DEPENDS ${path})
  target_sources(${target} PRIVATE ${out})
endfunction()

# toccata_test(name SOURCES a_test.cpp ... LINK libs... [FILTER cases]): one GoogleTest program, each case its own ctest
# entry; FILTER as for --gtest_filter.
function(toccata_test name)
  cmake_parse_arguments(ARG "" "FILTER" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  # Tests run for moments and compile for minutes: a fifth less at -O1.
  set(tests ${ARG_SOURCES})
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  set_source_files_properties(${tests} PROPERTIES COMPILE_OPTIONS "-O1")
  target_link_libraries(${name} PRIVATE ${ARG_LINK} toccata_flags GTest::gtest GTest::gmock GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE TOCCATA_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  if(TARGET toccata_test_headers)  # not where only the engine is built
    target_precompile_headers(${name} REUSE_FROM toccata_test_headers)
  endif()
  # g++ 12 sees overflows inside the precompiled std::string, and at -O1 uninitialised ones, where there are none.
  target_compile_options(${name} PRIVATE -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread -Wno-maybe-uninitialized)
  if(NOT ARG_FILTER)
    set(ARG_FILTER *)
  endif()
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST TEST_FILTER ${ARG_FILTER} PROPERTIES TIMEOUT 300)
endfunction()

# toccata_closure(target ours others): the targets of this tree that `target` needs, itself included, and the names of
# the system's libraries they link ("zstd", "crypto"): what one archive of all of them has inside and asks for.
function(toccata_closure target ours others)
  set(seen)
  set(outside)
  set(todo ${target})
  while(todo)
    list(POP_FRONT todo name)
    string(REGEX REPLACE "^\\$<LINK_ONLY:(.*)>$" "\\1" name ${name})
    if(TARGET ${name})
      get_target_property(original ${name} ALIASED_TARGET)
      if(original)
        set(name ${original})
      endif()
    endif()
    if(name STREQUAL toccata_flags OR name IN_LIST seen OR name IN_LIST outside)
      continue()
    elseif(name MATCHES "^toccata_")
      list(APPEND seen ${name})
      get_target_property(links ${name} INTERFACE_LINK_LIBRARIES)
      if(links)
        list(APPEND todo ${links})
      endif()
    elseif(NOT name MATCHES "^(Threads::Threads|nlohmann_json::nlohmann_json)$")
      list(APPEND outside ${name})
    endif()
  endwhile()
  # "PkgConfig::ZSTD", "OpenSSL::Crypto", "/usr/lib/.../libseccomp.so" -> what stands after -l. Imported targets are
  # not seen from other folders, what pkg-config said is.
  set(names)
  set(OpenSSL_Crypto crypto)
  set(SQLite_SQLite3 sqlite3)
  set(ZLIB_ZLIB z)
  foreach(name ${outside})
    if(name MATCHES "^PkgConfig::(.*)$")
      list(APPEND names ${${CMAKE_MATCH_1}_LIBRARIES})
    elseif(name MATCHES "^(.*)::(.*)$")
      if(NOT DEFINED ${CMAKE_MATCH_1}_${CMAKE_MATCH_2})
        message(FATAL_ERROR "toccata_closure: ${name} has no name for the linker here: add it above")
      endif()
      list(APPEND names ${${CMAKE_MATCH_1}_${CMAKE_MATCH_2}})
    else()
      get_filename_component(file ${name} NAME)
      string(REGEX REPLACE "^lib(.*)\\.(so|a)[.0-9]*$" "\\1" file ${file})
      list(APPEND names ${file})
    endif()
  endforeach()
  list(APPEND names ${CMAKE_DL_LIBS})
  list(REMOVE_DUPLICATES names)
  set(${ours} ${seen} PARENT_SCOPE)
  set(${others} ${names} PARENT_SCOPE)
endfunction()
