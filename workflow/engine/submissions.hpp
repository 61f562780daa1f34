// Transactions on their way into the store: created, or joined where the gid is there already. One that is
// created while there is room begins here at once, leased to this engine from its first write on.
#pragma once

#include "workflow/engine/attempts.hpp"

#include <any>
#include <memory>
#include <optional>
#include <string>

namespace weft {
inline namespace v0 {
namespace detail {

class submissions
{
public:
    template <class T>
    using done = std::unique_ptr<completion<T>>;

    struct needs
    {
        programs const& code;
        incarnation&    me;
        running&        here;
        claims&         work;
        callers&        writes;
        waiters&        who_waits;
        attempts&       begun;
        attempt_maker&  maker;
    };
    submissions(engine_context& e, needs const& n);

    // `answer` is for the end, or (`wait_for_end` false) for the durable row.
    void execute(std::string name, std::string gid, std::string input, execute_options o, bool wait_for_end,
                 done<std::string> answer);

    // On a caller's own connection. False: it was there. Any thread.
    bool create_within(std::any const& connection, std::string name, std::string gid, std::string input);

private:
    class submission;

    std::optional<misuse> refusal(std::string const& name, std::string const& gid,
                                  std::string const& input) const;
    void                  prepare(submission& s, program const& p);
    void                  join(boost::intrusive_ptr<submission> s);
    void                  joined(submission& s, std::exception_ptr error, std::optional<transaction> row);

    engine_context& context_;
    programs const& programs_;
    incarnation&    incarnation_;
    running&        running_;
    claims&         claims_;
    callers&        callers_;
    waiters&        waiters_;
    attempts&       attempts_;
    attempt_maker&  maker_;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
