// Linked into a suite: WEFT_FAULT=owner_check switches that planted fault on before the first test. See tests/planted.
#include <weft/detail/fault.hpp>

#ifdef WEFT_PLANTED_FAULTS
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace {

using weft::detail::planted;

constexpr std::pair<std::string_view, planted> faults[] = {
    {"owner_check", planted::owner_check},
    {"position_check", planted::position_check},
    {"send_before_flush", planted::send_before_flush},
    {"decision_after_phase2", planted::decision_after_phase2},
    {"undo_in_order", planted::undo_in_order},
    {"undo_failed_too", planted::undo_failed_too},
    {"barrier_result", planted::barrier_result},
    {"seal_count", planted::seal_count},
    {"answer_before_commit", planted::answer_before_commit},
    {"intent", planted::intent},
};

[[maybe_unused]] bool const switched = [] {
    auto const* const wanted = std::getenv("WEFT_FAULT");
    if (!wanted || !*wanted)
        return false;
    for (auto const& [name, fault] : faults)
        if (name == wanted)
        {
            weft::detail::plant(fault);
            return true;
        }
    std::fprintf(stderr, "WEFT_FAULT=%s: there is no such planted fault\n", wanted);
    std::_Exit(2);
}();

}  // namespace
#endif
