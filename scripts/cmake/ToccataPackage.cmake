# Debian packages: toccata (program, manual page, completions) and libtoccata-dev (archive, headers, package config).
# scripts/package makes them.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME toccata)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_VENDOR "the Toccata authors")
set(CPACK_PACKAGE_CONTACT "the Toccata authors <toccata@localhost>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_COMPONENTS_ALL runtime)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME toccata)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SECTION science)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SHLIBDEPS ON)
# Loaded at first use, so shlibdeps cannot see it: libcurl, for everything over the network.
set(CPACK_DEBIAN_RUNTIME_PACKAGE_RECOMMENDS "python3, libcurl4 (>= 7.85), ca-certificates")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SUGGESTS "python3-numpy, python3-pandas, python3-sympy, python3-matplotlib, bash-completion, poppler-utils, python3-libzim")
set(CPACK_COMPONENT_RUNTIME_DESCRIPTION
"gpt-oss models as working agents
Toccata takes gpt-oss weights and a task and gives a finished piece of work:
its own engine, an agent loop with a sandboxed Python and a browser, an
OpenAI-compatible server, and a ledger of everything that happened. A small
model is built in.")

if(TARGET libtoccata)
  list(APPEND CPACK_COMPONENTS_ALL dev)
  set(CPACK_DEBIAN_DEV_PACKAGE_NAME libtoccata-dev)
  set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
  # The packages of toccataConfig.cmake's libraries; tests/packaging/deb_test.py compares the two.
  set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS
    "libc6-dev, libgumbo-dev, libpcre2-dev, libseccomp-dev, libsqlite3-dev, libssl-dev, libutf8proc-dev, libyaml-cpp-dev, libzstd-dev, zlib1g-dev")
  set(CPACK_DEBIAN_DEV_PACKAGE_RECOMMENDS "toccata, cmake, g++, libcurl4 (>= 7.85)")
  set(CPACK_COMPONENT_DEV_DESCRIPTION
"gpt-oss models as working agents: C++ library
toccata::Agent for C++20 programs: find_package(toccata) and
target_link_libraries(app toccata::toccata).")
endif()

foreach(package runtime:toccata dev:libtoccata-dev)
  string(REPLACE ":" ";" package ${package})
  list(GET package 0 component)
  list(GET package 1 name)
  if(component IN_LIST CPACK_COMPONENTS_ALL)
    install(FILES ${CMAKE_SOURCE_DIR}/LICENSE RENAME copyright DESTINATION share/doc/${name} COMPONENT ${component})
  endif()
endforeach()
include(CPack)
