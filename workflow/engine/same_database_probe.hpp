// Whether a participant's database is the store's own: a fresh mark is left through the store and looked for
// through the participant. URLs are never compared.
#pragma once

#include "workflow/attempt/attempt.hpp"
#include "workflow/runtime/context.hpp"

#include <weft/detail/branch_call.hpp>

#include <optional>
#include <unordered_map>
#include <vector>

namespace weft {
inline namespace v0 {
namespace detail {

class same_database_probe
{
public:
    explicit same_database_probe(engine_context& e) : context_(e) { }

    // At once if it is known, else `a.go_on()` is called later.
    std::optional<bool> ask(participant_database& db, attempt& a);

    // Nobody waits any more.
    void forget_who_asks() { asking_.clear(); }

private:
    struct same_database_answer
    {
        bool                                    same = false;
        std::optional<std::chrono::nanoseconds> ask_again;  // since boot; the question failed
    };
    using waiting = std::vector<boost::intrusive_ptr<attempt>>;

    bool leads_to_store(participant_database& db, std::string const& nonce);
    void answered(participant_database& db, std::exception_ptr error, bool same);

    engine_context&                                                 context_;
    std::unordered_map<participant_database*, same_database_answer> known_;
    std::unordered_map<participant_database*, waiting>              asking_;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
