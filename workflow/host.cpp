#include <weft/host.hpp>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <thread>

namespace weft {
inline namespace v0 {

struct host::impl
{
    impl(weft::store& store, engine_options options)
        : io(1)
        , work(io.get_executor())
        , runs(std::make_unique<weft::engine>(io, store, std::move(options)))
    {
        thread = std::thread([this] { io.run(); });
    }

    boost::asio::io_context                                                  io;
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work;
    std::unique_ptr<weft::engine>                                            runs;
    std::thread                                                              thread;
};

host::host(weft::store& store, engine_options options) : impl_(std::make_unique<impl>(store, std::move(options))) { }

host::~host()
{
    try
    {
        stop(std::chrono::seconds(5));
    }
    catch (std::exception const&)
    {
        // It is abandoned then, as in a crash: the next engine goes on.
    }
    impl_->runs.reset();
    impl_->work.reset();
    impl_->io.stop();
    impl_->thread.join();
}

weft::engine& host::engine() noexcept { return *impl_->runs; }

void host::start()
{
    impl_->runs->run([](std::exception_ptr) {});
}

void host::stop(std::chrono::milliseconds deadline) { impl_->runs->stop(deadline, blocking); }

boost::asio::any_io_executor host::get_executor() const noexcept { return impl_->io.get_executor(); }

}  // namespace v0
}  // namespace weft
