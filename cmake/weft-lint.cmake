# weft_lint_coroutines(target [path...])
#
# Runs lint-coroutines over the target's sources whenever one of them has changed, before the target is built: what it finds is an error
# of the build. Further paths are files or folders that belong to them, such as the target's headers: the linter looks there, too, for
# parts of workflows and for types with constructors. Call it once all sources of the target are named. Needs Python 3.
function(weft_lint_coroutines target)
    find_package(Python3 REQUIRED COMPONENTS Interpreter)
    get_target_property(folder ${target} SOURCE_DIR)
    get_target_property(sources ${target} SOURCES)
    set(paths "")
    set(files "")
    foreach(source IN LISTS sources)
        if(source MATCHES "[.](hpp|cpp|h|ipp|cc|cxx|hh|hxx)$" AND NOT source MATCHES "[$]<")
            get_source_file_property(generated ${source} TARGET_DIRECTORY ${target} GENERATED)
            if(generated)
                continue()          # nobody writes it
            endif()
            cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY ${folder} NORMALIZE)
            list(APPEND paths ${source})
            list(APPEND files ${source})
        endif()
    endforeach()
    foreach(path IN LISTS ARGN)
        cmake_path(ABSOLUTE_PATH path BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} NORMALIZE)
        list(APPEND paths ${path})
        if(IS_DIRECTORY ${path})
            file(GLOB_RECURSE found CONFIGURE_DEPENDS ${path}/*.hpp ${path}/*.cpp ${path}/*.h ${path}/*.ipp ${path}/*.cc ${path}/*.cxx
                ${path}/*.hh ${path}/*.hxx)
            list(APPEND files ${found})
        else()
            list(APPEND files ${path})
        endif()
    endforeach()
    if(NOT paths)
        message(FATAL_ERROR "weft_lint_coroutines(${target}): the target has no C++ sources yet")
    endif()
    set(stamp ${CMAKE_CURRENT_BINARY_DIR}/${target}.coroutines)
    add_custom_command(OUTPUT ${stamp}
        COMMAND ${Python3_EXECUTABLE} ${WEFT_LINT_COROUTINES} ${paths}
        COMMAND ${CMAKE_COMMAND} -E touch ${stamp}
        DEPENDS ${files} ${WEFT_LINT_COROUTINES}
        COMMENT "Looking at the coroutines of ${target}"
        VERBATIM)
    add_custom_target(${target}_lint_coroutines DEPENDS ${stamp})
    add_dependencies(${target} ${target}_lint_coroutines)
endfunction()
