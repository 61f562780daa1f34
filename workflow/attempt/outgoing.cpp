#include "workflow/attempt/outgoing.hpp"

#include "workflow/attempt/transaction_attempt.hpp"

namespace weft {
inline namespace v0 {
namespace detail {

void outgoing::on_timer() { owner_.on_timer(*this); }

void outgoing::on_permit(class permit p) { owner_.on_permit(*this, std::move(p)); }

void outgoing::on_answer(delivery& from, outcome said, bool permanent) { owner_.on_answer(*this, from, std::move(said), permanent); }

outgoing& outgoing_operations::take(slot of, outgoing::state is)
{
    auto* free = &first_;
    if (first_.is != outgoing::state::none)
    {
        if (unused_.empty())
        {
            unused_.reserve(more_.size() + 1);
            more_.push_back(std::make_unique<outgoing>(owner_));
            free = more_.back().get();
        }
        else
        {
            free = unused_.back();
            unused_.pop_back();
        }
    }
    free->of = of;
    free->is = is;
    return *free;
}

void outgoing_operations::release(outgoing& o) noexcept
{
    if (o.is == outgoing::state::none)
        return;
    o.cancel();
    o.stop_waiting();
    o.permit.give_back();
    o.is = outgoing::state::none;
    o.here = o.again = o.timed_out = false;
    o.sent = nullptr;
    if (&o != &first_)
        unused_.push_back(&o);
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
