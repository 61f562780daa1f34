// What anyone may ask about a transaction that is there: to cancel it, to resume it, to be shown it, to have
// old ones removed.
#pragma once

#include "workflow/engine/pattern_requests.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weft {
inline namespace v0 {
namespace detail {

class requests
{
public:
    template <class T>
    using done = std::unique_ptr<completion<T>>;

    requests(engine_context& e, incarnation& me, running const& here, claims& c, callers& writes,
             pattern_requests& patterns);

    void query(std::string gid, done<std::optional<transaction>> answer);
    void list(list_filter filter, done<std::vector<transaction>> answer);
    void purge(std::chrono::milliseconds older_than, std::size_t limit, done<std::size_t> answer);

    void cancel(std::string gid, done<cancel_answer> answer);
    void resume(std::string gid, done<std::monostate> answer);
    void resume_all(list_filter filter, done<std::size_t> answer);

private:
    struct resuming;
    struct cancelling;
    using cancel_ptr = std::shared_ptr<cancelling>;

    void ask_for(std::string const& gid, request_write::kind what, asking::then then);
    void resume_page(std::shared_ptr<resuming> r);
    void resume_these(std::shared_ptr<resuming> const& r, std::vector<transaction> const& rows);

    void cancel_pattern(cancel_ptr c, bool in_doubt);
    void cancel_elsewhere(cancel_ptr c);
    void pattern_cancelled(cancel_ptr c, decide_write const& w, std::exception_ptr error,
                           write_result const& r);

    engine_context&   context_;
    incarnation&      incarnation_;
    running const&    running_;
    claims&           claims_;
    callers&          callers_;
    pattern_requests& patterns_;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
