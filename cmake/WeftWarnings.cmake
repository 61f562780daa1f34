# weft::warnings: linked PRIVATE (and never installed) by weft's own targets, so that a user's build never inherits them.

add_library(weft_warnings INTERFACE)
add_library(weft::warnings ALIAS weft_warnings)

if(CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
    target_compile_options(weft_warnings INTERFACE
        -Wall
        -Wextra
        -Wpedantic
        -Wconversion
        -Wshadow=local
        -Wnon-virtual-dtor
        -Woverloaded-virtual
        -Wimplicit-fallthrough
        # Options are structs with a default on each field, given with designated initialisers: leaving fields out is the point.
        -Wno-missing-field-initializers
        $<$<BOOL:${WEFT_WERROR}>:-Werror>)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        target_compile_options(weft_warnings INTERFACE
            # g++ 12 reports these inside std::string, std::optional and coroutine frames where there is nothing to report.
            -Wno-maybe-uninitialized
            -Wno-restrict
            -Wno-mismatched-new-delete
            -Wno-stringop-overflow
            -Wno-array-bounds)
        if(CMAKE_CXX_FLAGS MATCHES "-fsanitize=[a-z,]*thread")
            # Boost uses atomic_thread_fence, which TSan does not model; the code is right, the note is about the tool.
            target_compile_options(weft_warnings INTERFACE -Wno-tsan)
        endif()
    elseif(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
        target_compile_options(weft_warnings INTERFACE -Wno-missing-designated-field-initializers -Wno-unknown-warning-option)
    endif()
endif()
