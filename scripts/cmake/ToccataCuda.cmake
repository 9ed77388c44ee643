# CUDA as a language of the whole tree.
if(TOCCATA_CUDA)
  set(architectures ${CMAKE_CUDA_ARCHITECTURES})
  set(CMAKE_CUDA_ARCHITECTURES OFF)
  enable_language(CUDA)
  if(NOT architectures)
    # A100, H100/H200, and from CUDA 13 B200 and RTX 50; the last also as PTX for what comes after.
    set(architectures 80-real 90a)
    if(CMAKE_CUDA_COMPILER_VERSION VERSION_GREATER_EQUAL 13)
      set(architectures 80-real 90a-real 100-real 120)
    endif()
  endif()
endif()
# What every target with .cu files needs.
function(toccata_cuda_target target)
  set_target_properties(${target} PROPERTIES CUDA_RUNTIME_LIBRARY Static CUDA_ARCHITECTURES "${architectures}")
  # CMake 3.25 drops CUDA_STANDARD 20 for nvcc silently.
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20>)
  # nvcc takes an assignment to a class that is [[nodiscard]] for a call whose result is dropped.
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:-diag-suppress=2810>)
endfunction()
