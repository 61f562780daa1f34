// A transaction's journal, read the way a person or another program would: as the JSON it is.
#pragma once

#include <weft/store.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

using instant = std::chrono::system_clock::time_point;

// One operation of one branch: its intent and its outcome, as far as they are recorded.
struct recorded_operation
{
    enum class ending
    {
        none,  // sent, or about to be, when the journal was last written
        success,
        failure
    };

    std::string            branch;     // "02"
    std::string            verb;       // "tcc"
    std::string            name;       // "deduct-stock"
    std::string            operation;  // "try"
    std::optional<instant> intended;   // a step has no intent
    std::optional<instant> ended;
    ending                 how = ending::none;
    std::string            reason;         // why it failed
    bool                   maybe = false;  // failed, but an earlier send of it may have happened

    bool in_phase_2() const { return operation != "action" && operation != "try"; }
};

// In the order in which they were first recorded. Errors: std::runtime_error if this is no journal.
std::vector<recorded_operation> read_journal(weft::transaction const&);
