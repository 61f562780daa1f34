// What of a transaction is on its way out: operations that wait to be sent, are under way, or wait to be sent again.
#pragma once

#include "workflow/attempt/delivery.hpp"
#include "workflow/program/plan.hpp"
#include "workflow/runtime/limiter.hpp"
#include "workflow/runtime/schedule.hpp"

#include <memory>
#include <string>
#include <vector>

namespace weft {
inline namespace v0 {
namespace detail {

class transaction_attempt;

// One of them, for one slot.
class outgoing final : public timer, public limited
{
public:
    enum class state : std::uint8_t
    {
        none,              // it may be used for another slot
        asks_who_does_it,  // whether the store does it is being found out
        held,              // until the engine may act again
        waits_for_permit,
        under_way,
        waits_to_retry
    };

    explicit outgoing(transaction_attempt& owner) noexcept : owner_(owner) { }

    void on_timer() override;
    void on_permit(class permit p) override;
    void on_answer(delivery& from, outcome said, bool permanent);

    // What the program said is to be sent, and is not sent yet.
    bool waits_to_be_sent() const noexcept { return is == state::held || is == state::waits_for_permit; }

    slot                           of = 0;
    state                          is = state::none;
    bool                           here = false;       // the store does it
    bool                           again = false;      // it may have been sent before
    bool                           timed_out = false;  // it has been asked to end
    boost::intrusive_ptr<delivery> sent;               // until it has answered
    class permit                   permit;             // for the send that is about to be made

private:
    transaction_attempt& owner_;
};

// Those of one attempt: the first one costs no memory of its own, the others as many as are on their way at a time.
class outgoing_operations
{
public:
    explicit outgoing_operations(transaction_attempt& owner) noexcept : owner_(owner), first_(owner) { }

    // One that is not used. `is` is anything but none.
    outgoing& take(slot of, outgoing::state is);

    // It is not on its way any more. (Whoever waits for a permit or for a time waits no longer.)
    void release(outgoing& o) noexcept;

    template <class F>
    void for_each(F f)
    {
        f(first_);
        for (auto const& o : more_)
            f(*o);
    }

private:
    transaction_attempt&                   owner_;
    outgoing                               first_;
    std::vector<std::unique_ptr<outgoing>> more_;
    std::vector<outgoing*>                 unused_;  // of `more_`
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
