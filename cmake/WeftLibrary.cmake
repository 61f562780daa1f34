# weft_library(NAME core SOURCES ... [PUBLIC ...] [PRIVATE ...] [DESCRIPTION "..."])
#
#   Defines weft_core, known as weft::core inside the build and after installation, and describes it to
#   find_package(weft COMPONENTS core) and to pkg-config (weft-core.pc).
#
#   SOURCES   relative to the caller's directory; private headers sit beside them.
#   PUBLIC    targets whose headers appear in the library's own public headers.
#   PRIVATE   everything else it links.
#
#   What may be linked is either a weft:: library defined before, or a row of the table below. So a component's
#   dependencies are written once, where it links them, and the package files follow.
#
# weft_install_guard()      once, before anything that can be installed: a build with planted faults refuses it.
# weft_install_package()    once, at the end: installs headers, libraries and package files.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(WEFT_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/weft)

# The outside targets weft may link: <target> | <find_dependency arguments> | <pkg-config module> | <linker flags>
# (a module or flags, whichever the library has).
set(WEFT_OUTSIDE
    "Boost::headers|Boost 1.81 CONFIG||"
    "Boost::json|Boost 1.81 CONFIG COMPONENTS json||-lboost_json"
    "Boost::url|Boost 1.81 CONFIG COMPONENTS url||-lboost_url"
    "Boost::program_options|Boost 1.81 CONFIG COMPONENTS program_options||-lboost_program_options"
    "Threads::Threads|Threads||-pthread"
    "fmt::fmt|fmt|fmt|"
    "spdlog::spdlog|spdlog|spdlog|"
    "SOCI::soci|SOCI||-lsoci_core"
    "SOCI::sqlite3|SOCI COMPONENTS sqlite3||-lsoci_sqlite3"
    "SOCI::postgresql|SOCI COMPONENTS postgresql||-lsoci_postgresql"
    "SOCI::mysql|SOCI COMPONENTS mysql||-lsoci_mysql -lmariadb"
    "SQLite::SQLite3|SQLite3|sqlite3|"
    "PostgreSQL::PostgreSQL|PostgreSQL|libpq|"
    "CURL::libcurl|CURL|libcurl|"
    "OpenSSL::SSL|OpenSSL|libssl|"
    "OpenSSL::Crypto|OpenSSL|libcrypto|"
    "prometheus-cpp::core|prometheus-cpp CONFIG|prometheus-cpp-core|")

function(weft_library)
    cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME;DESCRIPTION" "SOURCES;PUBLIC;PRIVATE")
    if(arg_UNPARSED_ARGUMENTS OR NOT arg_NAME OR NOT arg_SOURCES)
        message(FATAL_ERROR "weft_library(NAME name SOURCES ... [PUBLIC ...] [PRIVATE ...]): ${arg_UNPARSED_ARGUMENTS}")
    endif()
    if(NOT arg_DESCRIPTION)
        set(arg_DESCRIPTION "${PROJECT_DESCRIPTION}: ${arg_NAME}")
    endif()
    set(target weft_${arg_NAME})

    add_library(${target} ${arg_SOURCES})
    add_library(weft::${arg_NAME} ALIAS ${target})
    target_compile_features(${target} PUBLIC cxx_std_20)
    target_include_directories(${target}
        PUBLIC
            $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
            $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
        PRIVATE
            ${PROJECT_SOURCE_DIR})             # private headers: "workflow/attempt/transaction_attempt.hpp"
    target_link_libraries(${target} PUBLIC ${arg_PUBLIC} PRIVATE ${arg_PRIVATE} $<BUILD_INTERFACE:weft::warnings>)
    if(WEFT_PLANTED_FAULTS)
        target_compile_definitions(${target} PUBLIC WEFT_PLANTED_FAULTS=1)
    endif()
    set_target_properties(${target} PROPERTIES
        EXPORT_NAME ${arg_NAME}
        VERSION ${PROJECT_VERSION}
        SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}   # before 1.0 each minor version may break
        # Symbols stay visible: weft throws its exceptions across library boundaries, and nobody should have to decorate
        # each class for it. Inlines are hidden, which is most of what there is to gain.
        VISIBILITY_INLINES_HIDDEN ON
        WINDOWS_EXPORT_ALL_SYMBOLS ON
        POSITION_INDEPENDENT_CODE ON                                  # users link the static libraries into plugins
        UNITY_BUILD ${WEFT_UNITY}
        UNITY_BUILD_BATCH_SIZE 10)
    if(WEFT_UNITY AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        target_compile_options(${target} PRIVATE -Wno-subobject-linkage)    # a file of the group is not a header
    endif()

    # --- what a consumer has to find again. A static library's private links are links of the consumer, too. ---
    set(components "")
    set(finds "")
    foreach(visibility PUBLIC PRIVATE)
        set(modules_${visibility} "")
        set(flags_${visibility} "")
        foreach(link ${arg_${visibility}})
            if(link MATCHES "^weft::(.+)$")
                list(APPEND components ${CMAKE_MATCH_1})
                list(APPEND modules_${visibility} weft-${CMAKE_MATCH_1})
                continue()
            endif()
            set(row ${WEFT_OUTSIDE})
            list(FILTER row INCLUDE REGEX "^${link}[|]")
            if(NOT row MATCHES "^[^|]+[|]([^|]+)[|]([^|]*)[|]([^|]*)$")
                message(FATAL_ERROR "${target} links ${link}, which WEFT_OUTSIDE in WeftLibrary.cmake does not know: add a row.")
            endif()
            set(find ${CMAKE_MATCH_1})
            set(module ${CMAKE_MATCH_2})
            set(flags ${CMAKE_MATCH_3})
            list(APPEND finds "find_dependency(${find})")
            if(module)
                list(APPEND modules_${visibility} ${module})
            endif()
            if(flags)
                list(APPEND flags_${visibility} ${flags})
            endif()
        endforeach()
    endforeach()
    list(REMOVE_DUPLICATES finds)
    list(REMOVE_DUPLICATES components)
    list(JOIN finds "\n    " finds)
    set_property(GLOBAL APPEND PROPERTY WEFT_LIBRARIES ${arg_NAME})
    set_property(GLOBAL PROPERTY WEFT_COMPONENTS_OF_${arg_NAME} "${components}")
    set_property(GLOBAL PROPERTY WEFT_FINDS_OF_${arg_NAME} "${finds}")

    # Static: everything is needed to link, so "private" makes no difference to pkg-config.
    set(modules ${modules_PUBLIC})
    set(modules_private ${modules_PRIVATE})
    set(flags ${flags_PUBLIC})
    set(flags_private ${flags_PRIVATE})
    if(NOT BUILD_SHARED_LIBS)
        list(APPEND modules ${modules_private})
        list(APPEND flags ${flags_private})
        set(modules_private "")
        set(flags_private "")
    endif()
    list(JOIN modules ", " WEFT_PC_REQUIRES)
    list(JOIN modules_private ", " WEFT_PC_REQUIRES_PRIVATE)
    list(JOIN flags " " WEFT_PC_LIBS)
    list(JOIN flags_private " " WEFT_PC_LIBS_PRIVATE)
    set(WEFT_PC_NAME ${arg_NAME})
    set(WEFT_PC_DESCRIPTION ${arg_DESCRIPTION})
    # A .pc file finds its prefix from its own place, so an installed tree may be moved.
    cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX
        BASE_DIRECTORY ${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}/pkgconfig OUTPUT_VARIABLE WEFT_PC_PREFIX)
    configure_file(${PROJECT_SOURCE_DIR}/cmake/weft.pc.in ${PROJECT_BINARY_DIR}/package/weft-${arg_NAME}.pc @ONLY)
endfunction()

function(weft_install_guard)
    if(NOT WEFT_PLANTED_FAULTS)
        return()
    endif()
    set(reason "WEFT_PLANTED_FAULTS is ON: this build contains deliberate faults and cannot be installed.")
    message(WARNING "${reason}")
    # Only the check of what is installed knows the word, and only its own directory ever sees this build.
    install(CODE "if(NOT WEFT_INSTALLS_PLANTED_FAULTS)\n    message(FATAL_ERROR \"${reason}\")\nendif()" ALL_COMPONENTS)
endfunction()

# Installs a target; without its debug information where that is most of it. Who wants that, too:
#
#     cmake --install build/release --component debug
#
# puts it where debuggers look: beside a program in .debug/, and for an archive as a second one, in debug/.
function(weft_install_target target destination)
    install(TARGETS ${target} ${ARGN})
    set_property(GLOBAL APPEND PROPERTY WEFT_INSTALLED ${target})
    if(NOT CMAKE_OBJCOPY)
        return()
    endif()
    cmake_path(IS_ABSOLUTE destination absolute)
    set(directory "\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${destination}")
    if(absolute)
        set(directory "\$ENV{DESTDIR}${destination}")
    endif()
    set(built "\"$<TARGET_FILE:${target}>\"")
    set(installed "\"${directory}/$<TARGET_FILE_NAME:${target}>\"")
    set(run "execute_process(COMMAND_ERROR_IS_FATAL ANY COMMAND \"${CMAKE_OBJCOPY}\"")
    get_target_property(type ${target} TYPE)
    if(type STREQUAL "STATIC_LIBRARY")
        set(strip "${run} --strip-debug ${installed})")
        set(keep "file(MAKE_DIRECTORY \"${directory}/debug\")
            file(COPY_FILE ${built} \"${directory}/debug/$<TARGET_FILE_NAME:${target}>\")")
    else()
        set(described "$<TARGET_FILE_NAME:${target}>.debug")     # its name and contents stand in the program
        set(strip "${run} --only-keep-debug ${built} \"${directory}/${described}\")
            ${run} --strip-debug \"--add-gnu-debuglink=${directory}/${described}\" ${installed})
            file(REMOVE \"${directory}/${described}\")")
        set(keep "file(MAKE_DIRECTORY \"${directory}/.debug\")
            ${run} --only-keep-debug ${built} \"${directory}/.debug/${described}\")")
    endif()
    set(released "if(CMAKE_INSTALL_CONFIG_NAME STREQUAL \"RelWithDebInfo\")")
    install(CODE "${released}\n            ${strip}\n        endif()")
    install(CODE "${released}\n            ${keep}\n        endif()" COMPONENT debug EXCLUDE_FROM_ALL)
endfunction()

function(weft_install_package)
    get_property(names GLOBAL PROPERTY WEFT_LIBRARIES)
    if(NOT names)
        return()
    endif()

    set(WEFT_COMPONENT_TABLE "")
    foreach(name ${names})
        get_property(components GLOBAL PROPERTY WEFT_COMPONENTS_OF_${name})
        get_property(finds GLOBAL PROPERTY WEFT_FINDS_OF_${name})
        string(APPEND WEFT_COMPONENT_TABLE
            "set(_weft_needs_${name} ${components})\nmacro(_weft_find_${name})\n    ${finds}\nendmacro()\n")
        weft_install_target(weft_${name} ${CMAKE_INSTALL_LIBDIR} EXPORT weftTargets)
        install(FILES ${PROJECT_BINARY_DIR}/package/weft-${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
    endforeach()
    list(JOIN names " " WEFT_COMPONENT_NAMES)

    configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/weft-config.cmake.in
        ${PROJECT_BINARY_DIR}/package/weft-config.cmake INSTALL_DESTINATION ${WEFT_CMAKE_DIR}
        NO_CHECK_REQUIRED_COMPONENTS_MACRO)
    write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/weft-config-version.cmake
        COMPATIBILITY SameMinorVersion)        # before 1.0 each minor version may break

    install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/weft DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN "*.hpp")
    install(EXPORT weftTargets NAMESPACE weft:: DESTINATION ${WEFT_CMAKE_DIR})
    install(FILES
        ${PROJECT_BINARY_DIR}/package/weft-config.cmake
        ${PROJECT_BINARY_DIR}/package/weft-config-version.cmake
        ${PROJECT_SOURCE_DIR}/cmake/FindSOCI.cmake
        ${PROJECT_SOURCE_DIR}/cmake/weft-lint.cmake
        DESTINATION ${WEFT_CMAKE_DIR})
    install(PROGRAMS ${PROJECT_SOURCE_DIR}/scripts/lint-coroutines
        DESTINATION ${CMAKE_INSTALL_DATADIR}/weft)     # users write coroutines, too

    # What is installed, and nothing else: `cmake --build --preset release --target weft`.
    if(PROJECT_IS_TOP_LEVEL)
        get_property(installed GLOBAL PROPERTY WEFT_INSTALLED)
        add_custom_target(weft DEPENDS ${installed})
    endif()
endfunction()
