#include "workflow/engine/callers.hpp"

#include "workflow/engine/intake.hpp"

#include <algorithm>

namespace weft {
inline namespace v0 {
namespace detail {

void callers::wait(std::string const& gid, std::size_t bytes)
{
    writes_.insert(gid);
    bytes_ += bytes;
}

void callers::leave(std::string const& gid, std::size_t bytes) noexcept
{
    auto const [first, last] = writes_.equal_range(gid);
    writes_.erase(std::find_if(first, last, [&](std::string_view one) { return one.data() == gid.data(); }));
    bytes_ -= bytes;
}

std::optional<store_error> callers::full(std::size_t bytes, known written) const
{
    auto const& o = context_.options();
    bool const  many = writes_.size() >= o.queue_limit;
    bool const  much = !writes_.empty() && bytes_ + bytes > o.queue_bytes;
    if (!many && !much)
        return std::nullopt;
    return store_error(std::to_string(writes_.size()) + " writes of " + std::to_string(bytes_) +
                           " bytes wait for the store already (engine_options::queue_limit, queue_bytes)" +
                           and_known(written),
                       written, store_error::cause::passing);
}

void callers::ask(std::string gid, std::size_t bytes, std::function<write()> make, asking::then then,
                  bool in_doubt)
{
    auto const a = question(std::move(gid), bytes, false, std::move(make), std::move(then), in_doubt);
    if (a)
        a->go();
}

void callers::ask_when_alive(std::string gid, std::size_t bytes, std::function<write()> make,
                             asking::then then, bool in_doubt)
{
    auto a = question(std::move(gid), bytes, true, std::move(make), std::move(then), in_doubt);
    if (a)
        go_when_alive(std::move(a));
}

// Null: it is not taken, and has its answer.
boost::intrusive_ptr<asking> callers::question(std::string gid, std::size_t bytes, bool needs_life,
                                               std::function<write()> make, asking::then then, bool in_doubt)
{
    std::exception_ptr wrong;
    if (auto const bad = refusal_of_gid(gid))
        wrong = std::make_exception_ptr(*bad);
    else if (auto const no_room = full(bytes, in_doubt ? known::in_doubt : nothing_written(gid, needs_life)))
        wrong = std::make_exception_ptr(*no_room);
    if (wrong)
    {
        then(wrong, {});
        return nullptr;
    }
    boost::intrusive_ptr<asking> a(
        new asking(*this, std::move(gid), bytes, needs_life, std::move(make), std::move(then)));
    a->follows_one_in_doubt(in_doubt);
    return a;
}

void callers::go_when_alive(boost::intrusive_ptr<caller_write> w)
{
    if (incarnation_.is_alive() || context_.stopping())
        return w->go();
    before_alive_.push_back(std::move(w));
    incarnation_.start();
}

void callers::go_all()
{
    for (auto const& w : std::exchange(before_alive_, {}))
        w->go();
}

void callers::give_up_all(std::exception_ptr const& error)
{
    auto const all = std::exchange(before_alive_, {});
    for (auto const& w : all)
        w->taken_back();
    for (auto const& w : all)
        w->on_trouble(store_error(what_of(error)));
}

known callers::withdraw(caller_write& w)
{
    auto const n = std::erase_if(before_alive_, [&](auto const& waits) { return waits.get() == &w; });
    return w.of_question(n > 0 ? known::not_written : committer_.withdraw(w));
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
