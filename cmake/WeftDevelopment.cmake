# What only weft's own developers need; included when weft is the top-level project.

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# Here, not in the presets: a preset cannot ask whether ccache exists.
# The sloppiness is what makes ccache work with precompiled headers; it goes by environment because it belongs to this
# project and not into the developer's ccache.conf. Base directory and hash: a second checkout beside this one need not compile
# everything again.
find_program(WEFT_CCACHE ccache)
if(WEFT_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER AND NOT WIN32)
    set(CMAKE_CXX_COMPILER_LAUNCHER env CCACHE_SLOPPINESS=pch_defines,time_macros
        CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=true ${WEFT_CCACHE})
endif()
