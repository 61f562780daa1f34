# Run by ctest (see CMakeLists.txt): SOURCE, BUILT, PLANTED_FAULTS (whether it has them), WORK, GENERATOR, COMPILER, PYTHON, LAUNCHER
# (ccache, or empty).
cmake_minimum_required(VERSION 3.25)

function(run what)
    message(STATUS "${what}")
    execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
    if(NOT status EQUAL 0)
        message(FATAL_ERROR "${what} failed (${status}):\n${output}")
    endif()
    set(output "${output}" PARENT_SCOPE)
endfunction()

set(common -G ${GENERATOR} -D CMAKE_CXX_COMPILER=${COMPILER} -D CMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER} -D CMAKE_BUILD_TYPE=Debug
    "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror" "-DCMAKE_CXX_FLAGS_DEBUG=-O0 -g0")

# Installed in one place and moved to another: nothing may remember where it was built or installed.
file(REMOVE_RECURSE ${WORK}/first-prefix ${WORK}/prefix ${WORK}/consumer)
if(PLANTED_FAULTS)
    message(STATUS "install, which is refused")
    execute_process(COMMAND ${CMAKE_COMMAND} --install ${BUILT} --prefix ${WORK}/first-prefix RESULT_VARIABLE status OUTPUT_VARIABLE output
        ERROR_VARIABLE output)
    if(status EQUAL 0 OR NOT output MATCHES "deliberate faults" OR EXISTS ${WORK}/first-prefix)
        message(FATAL_ERROR "A build with planted faults can be installed (${status}):\n${output}")
    endif()
endif()
run("install" ${CMAKE_COMMAND} -D WEFT_INSTALLS_PLANTED_FAULTS=${PLANTED_FAULTS} -D CMAKE_INSTALL_PREFIX=${WORK}/first-prefix
    -P ${BUILT}/cmake_install.cmake)
file(RENAME ${WORK}/first-prefix ${WORK}/prefix)
file(GLOB_RECURSE descriptions ${WORK}/prefix/*.cmake ${WORK}/prefix/*.pc)
foreach(file IN LISTS descriptions)
    file(READ ${file} text)
    foreach(place ${SOURCE} ${BUILT} ${WORK})
        string(FIND "${text}" "${place}" found)
        if(NOT found EQUAL -1)
            message(FATAL_ERROR "${file} mentions ${place}, which a user does not have.")
        endif()
    endforeach()
endforeach()

run("configure the consumer" ${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR}/consumer -B ${WORK}/consumer ${common}
    -D CMAKE_PREFIX_PATH=${WORK}/prefix)
run("build the consumer" ${CMAKE_COMMAND} --build ${WORK}/consumer --parallel 1)
run("run the consumer" ${CMAKE_COMMAND} -E env LD_LIBRARY_PATH=${WORK}/prefix/lib ${WORK}/consumer/consumer)

# The linter, as a part of the build.
execute_process(COMMAND ${CMAKE_COMMAND} --build ${WORK}/consumer --parallel 1 --target forgetful RESULT_VARIABLE status
    OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(status EQUAL 0 OR NOT output MATCHES "forgetful.cpp:9: forgotten: asked")
    message(FATAL_ERROR "weft_lint_coroutines let a forgotten co_await pass (${status}):\n${output}")
endif()

# Examples, as their READMEs say: copied out, against the installed package.
foreach(example stock shop)
    file(REMOVE_RECURSE ${WORK}/${example})
    file(COPY ${SOURCE}/examples/${example} DESTINATION ${WORK})
    run("configure the example ${example}" ${CMAKE_COMMAND} -S ${WORK}/${example} -B ${WORK}/${example}/build ${common}
        -D CMAKE_PREFIX_PATH=${WORK}/prefix)
    run("build the example ${example}" ${CMAKE_COMMAND} --build ${WORK}/${example}/build --parallel 1)
endforeach()
run("test the example stock" ${CMAKE_COMMAND} -E env LD_LIBRARY_PATH=${WORK}/prefix/lib ${PYTHON} ${WORK}/stock/tests/program_test.py
    ${WORK}/stock/build/stock_service ${WORK}/stock/build/buy)
run("test the example shop" ${CMAKE_COMMAND} -E env LD_LIBRARY_PATH=${WORK}/prefix/lib ${PYTHON} ${WORK}/shop/tests/scripts_test.py
    ${WORK}/shop/build ${WORK}/prefix/bin/weftd)

# What is released has its debug information beside it, and only if it is asked for.
if(OBJDUMP)
    foreach(component Unspecified debug)
        run("install ${component} as released" ${CMAKE_COMMAND} -D WEFT_INSTALLS_PLANTED_FAULTS=${PLANTED_FAULTS} -D BUILD_TYPE=RelWithDebInfo
            -D CMAKE_INSTALL_COMPONENT=${component} -D CMAKE_INSTALL_PREFIX=${WORK}/released -P ${BUILT}/cmake_install.cmake)
    endforeach()
    file(GLOB_RECURSE described ${WORK}/released/bin/.debug/weftd.debug ${WORK}/released/*/debug/libweft_core.a)
    list(LENGTH described count)
    if(NOT count EQUAL 2)
        message(FATAL_ERROR "the component debug installs no debug information: ${described}")
    endif()
    file(GLOB_RECURSE files ${WORK}/released/bin/weftd ${WORK}/released/*/libweft_core.a)
    foreach(file IN LISTS files)
        run("sections of ${file}" ${OBJDUMP} -h ${file})
        string(FIND "${output}" ".debug_info" found)
        if(file IN_LIST described)
            if(found EQUAL -1)
                message(FATAL_ERROR "${file} has no debug information")
            endif()
        elseif(NOT found EQUAL -1)
            message(FATAL_ERROR "${file} is installed with its debug information")
        endif()
    endforeach()
    file(REMOVE_RECURSE ${WORK}/released)
endif()

# pkg-config: for those whose build is not CMake.
find_program(PKG_CONFIG pkg-config)
if(NOT PKG_CONFIG)
    message(STATUS "no pkg-config here: its files are not tried")
    return()
endif()
file(GLOB_RECURSE core_pc ${WORK}/prefix/weft-core.pc)
cmake_path(GET core_pc PARENT_PATH pc_dir)
cmake_path(GET pc_dir PARENT_PATH lib_dir)
run("pkg-config" ${CMAKE_COMMAND} -E env PKG_CONFIG_PATH=${pc_dir} ${PKG_CONFIG} --cflags --libs weft-core)
separate_arguments(flags UNIX_COMMAND "${output}")
run("build with pkg-config" ${COMPILER} -std=c++20 ${CMAKE_CURRENT_LIST_DIR}/consumer/core.cpp ${flags} -o ${WORK}/consumer/core)
run("run what pkg-config built" ${CMAKE_COMMAND} -E env LD_LIBRARY_PATH=${lib_dir} ${WORK}/consumer/core)
message(STATUS "installed weft can be used")
