#include <weft/detail/completion.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>

namespace weft {
inline namespace v0 {

namespace {

namespace asio = boost::asio;

template <class Executor>
bool is_running(asio::any_io_executor const& executor) noexcept
{
    if (auto const* e = executor.target<Executor>(); e && e->running_in_this_thread())
        return true;
    if (auto const* s = executor.target<asio::strand<Executor>>())
        return s->running_in_this_thread() || s->get_inner_executor().running_in_this_thread();
    return false;
}

}  // namespace

bool detail::runs_here(asio::any_io_executor const& executor) noexcept
{
    if (auto const* s = executor.target<asio::strand<asio::any_io_executor>>())
        return s->running_in_this_thread() || runs_here(s->get_inner_executor());
    return is_running<asio::io_context::executor_type>(executor) || is_running<asio::thread_pool::executor_type>(executor);
}

void detail::refuse_to_block(asio::any_io_executor const& executor)
{
    if (runs_here(executor))
        throw misuse(misuse::code::wrong_thread, "a blocking call on the engine's own thread would wait for itself");
}

}  // namespace v0
}  // namespace weft
