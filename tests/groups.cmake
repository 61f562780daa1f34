# Read by ctest when it starts, through a file that weft_test has written for each suite, which says: program, directory, prefix,
# labels, timeout, alone, servers. Asks the program for its tests, and adds one of ctest's for each suite of gtest's on each store:
#
#     unit.Replay.*    protocol.Stores/Protocol.*/postgres    simulation.OnServers/CrashEverywhere.*_on_mysql
#
# What stands after the prefix is the --gtest_filter. A process for each case would cost more than most cases do.
# `alone`: one of ctest's for each case none the less.

function(weft_add_group name filter cases)
    # The time is for one case; that several of them are slow in one run need not be foreseen for all.
    if(cases GREATER 4)
        set(cases 4)
    endif()
    math(EXPR limit "${timeout} * ${cases}")
    add_test("${prefix}.${name}" "${program}" "--gtest_filter=${filter}")
    set_tests_properties("${prefix}.${name}" PROPERTIES WORKING_DIRECTORY "${directory}" TIMEOUT ${limit} LABELS "${labels}")
    # What promises a time that a user can feel is not measured beside others.
    if(name MATCHES "Within[A-Za-z]*Second")
        set_tests_properties("${prefix}.${name}" PROPERTIES RUN_SERIAL TRUE)
    endif()
    if(servers)
        set_tests_properties("${prefix}.${name}" PROPERTIES FIXTURES_REQUIRED servers ENVIRONMENT "WEFT_SERVERS=${servers}")
    endif()
endfunction()

function(weft_add_groups)
    if(NOT EXISTS "${program}")
        add_test("${prefix}_NOT_BUILT" "${program}")
        return()
    endif()
    execute_process(COMMAND "${program}" --gtest_list_tests RESULT_VARIABLE status OUTPUT_VARIABLE listed ERROR_VARIABLE error TIMEOUT 60)
    if(NOT status EQUAL 0)
        message(FATAL_ERROR "${program} does not say what its tests are (${status}):\n${listed}${error}")
    endif()
    string(REPLACE ";" "," listed "${listed}")
    string(REPLACE "\n" ";" listed "${listed}")
    set(groups "")
    foreach(line IN LISTS listed)
        string(REGEX REPLACE "[ \t]*#.*" "" line "${line}")
        if(line MATCHES "^([^ ].*[.])$")
            set(suite "${CMAKE_MATCH_1}")
        elseif(line MATCHES "^  (.+)$")
            set(case "${CMAKE_MATCH_1}")
            if(alone)
                set(group "${suite}${case}")
            elseif(case MATCHES "(/|_on_)(memory|sqlite|postgres|mysql|coordinator)$")
                set(group "${suite}*${CMAKE_MATCH_1}${CMAKE_MATCH_2}")
            else()
                set(group "${suite}*")
            endif()
            string(MD5 id "${group}")
            if(NOT DEFINED of_${id})
                list(APPEND groups "${group}")
            endif()
            list(APPEND of_${id} "${suite}${case}")
        endif()
    endforeach()
    foreach(group IN LISTS groups)
        string(MD5 id "${group}")
        list(LENGTH of_${id} cases)
        # Each by its name: "Suite.*" might be more than the group.
        list(JOIN of_${id} ":" filter)
        weft_add_group("${group}" "${filter}" ${cases})
    endforeach()
endfunction()

weft_add_groups()
