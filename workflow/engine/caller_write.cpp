#include "workflow/engine/caller_write.hpp"

#include "workflow/engine/callers.hpp"

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

// What one takes besides its payload, about.
constexpr std::size_t overhead = 1'024;

}  // namespace

std::string and_known(known written)
{
    switch (written)
    {
    case known::applied:
        return "; what was asked for is durable";
    case known::not_written:
        return "; nothing was written";
    case known::in_doubt:
        break;
    }
    return "; whether it was written is not known: ask again with the same gid";
}

std::exception_ptr stopped_error(std::string const& gid, known written)
{
    auto const what = written == known::applied
                          ? std::string("the engine stopped; the transaction goes on with the next one")
                          : "the engine stopped" + and_known(written);
    return std::make_exception_ptr(unfinished(unfinished::why::stopped, what, gid, written));
}

std::exception_ptr refused_by_store(write_result const& r, bool in_doubt)
{
    auto const written = r.in_doubt || in_doubt ? known::in_doubt : known::not_written;
    return std::make_exception_ptr(
        store_error("the store refused it: " + r.why + and_known(written), written));
}

caller_write::caller_write(callers& all, std::string gid, std::size_t bytes)
    : callers_(all)
    , gid_(std::move(gid))
    , bytes_(bytes + overhead)
{
    callers_.wait(gid_, bytes_);
}

void caller_write::leave() noexcept
{
    if (std::exchange(waits_, false))
        callers_.leave(gid_, bytes_);
}

known caller_write::of_question(known of_this) const noexcept
{
    bool const others = of_this == known::not_written &&
                        callers_.may_be_written(gid_, asks_for_transaction(), waits_ ? 1 : 0);
    return of_this == known::not_written && (in_doubt_ || others) ? known::in_doubt : of_this;
}

void caller_write::count() noexcept
{
    if (!std::exchange(counted_, true))
        callers_.is_coming();
}

void caller_write::uncount() noexcept
{
    if (std::exchange(counted_, false))
        callers_.has_come();
}

void caller_write::on_trouble(store_error const& trouble)
{
    if (trouble.written() == known::not_written)
        leave();
    auto const written = of_question(trouble.written());
    fail(std::make_exception_ptr(store_error(trouble.what() + and_known(written), written, trouble.why())));
}

void caller_write::on_stopped(known written)
{
    if (written != known::in_doubt)
        leave();  // else whoever asks for the same hears that it may still come
    fail(stopped_error(gid_, of_question(written)));
}

void asking::on_written(write_result const& r, write&)
{
    leave();
    uncount();
    // Whoever asked was told meanwhile that it is in doubt, and does not wait any more.
    if (!then_ && r.what == written::done)
        return callers_.leased_for_nobody();
    auto result = r;
    result.in_doubt = r.in_doubt || in_doubt_ ||
                      (r.what == written::refused && of_question(known::not_written) == known::in_doubt);
    tell(nullptr, result);
}

void asking::go()
{
    if (needs_life_ && callers_.engine_stops())
        return on_stopped(known::not_written);
    auto        w = make_();
    auto const* creates = std::get_if<create_write>(&w);
    creates_ = creates != nullptr;
    auto const* decides = std::get_if<decide_write>(&w);
    if ((creates && !creates->owner.empty()) || (decides && !decides->owner.empty()))
        count();
    callers_.queue(std::move(w), this);
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
