# Runs PROGRAM's tests FILTER twice: as they are they pass; with the planted FAULT each of them fails, by its assertions and not by
# dying.

function(run fault)
    execute_process(
        COMMAND ${CMAKE_COMMAND} -E env WEFT_FAULT=${fault} WEFT_CRASH= ${PROGRAM} --gtest_filter=${FILTER} --gtest_brief=0
        RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output TIMEOUT 90)
    set(status ${status} PARENT_SCOPE)
    set(output "${output}" PARENT_SCOPE)
endfunction()

run("")
if(NOT status EQUAL 0 OR NOT output MATCHES "\\[  PASSED  \\] [1-9]")
    message(FATAL_ERROR "without the fault ${FILTER} should pass, and does not (${status}):\n${output}")
endif()
string(REGEX MATCH "\\[  PASSED  \\] [0-9]+" passed "${output}")
string(REGEX REPLACE "[^0-9]" "" expected "${passed}")

run(${FAULT})
if(status EQUAL 0)
    message(FATAL_ERROR "${FAULT} is not noticed by ${FILTER}")
endif()
if(NOT status EQUAL 1)
    message(FATAL_ERROR "with ${FAULT} ${FILTER} does not fail but die (${status}):\n${output}")
endif()
string(REGEX MATCH "\\[  FAILED  \\] [0-9]+ test" failed "${output}")
string(REGEX REPLACE "[^0-9]" "" count "${failed}")
if(NOT count STREQUAL expected)
    message(FATAL_ERROR "${FAULT} is noticed by ${count} of ${expected} tests of ${FILTER}:\n${output}")
endif()
string(REGEX MATCHALL "Failure\n[^\n]*\n[^\n]*\n[^\n]*" reasons "${output}")
list(GET reasons 0 first)
message(STATUS "${FAULT} is noticed: ${first}")
