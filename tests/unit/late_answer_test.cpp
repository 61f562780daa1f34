// Operations answer when they like: also when their engine is gone, and its executor's context with it.
#include <weft/weft.hpp>

#include <boost/asio/io_context.hpp>

#include <gtest/gtest.h>

#include <deque>
#include <thread>

namespace {

using namespace std::chrono_literals;

// An operation that keeps its call.
class unanswered
{
public:
    using weft_operation = void;
    template <class... Args>
    using result = void;

    explicit unanswered(std::deque<weft::operation_call>& kept) : kept_(&kept) { }
    void start(weft::operation_call call) const { kept_->push_back(std::move(call)); }

private:
    std::deque<weft::operation_call>* kept_;
};

weft::workflow<void> waits(weft::context& wf, std::deque<weft::operation_call>& kept)
{
    unanswered const operation(kept);
    co_await wf.step("wait", operation);
}

// Runs until the operation is under way, and then everything but the operation goes.
void leave_behind(weft::store& store, std::deque<weft::operation_call>& kept, bool stop_first)
{
    boost::asio::io_context io{1};
    weft::engine            engine(io, store);
    engine.add("waits", &waits, std::ref(kept));
    engine.submit("waits", "g1", [](std::exception_ptr) { });
    while (kept.empty())
        io.run_one();
    if (!stop_first)
        return;
    bool stopped = false;
    engine.stop(0ms, [&](std::exception_ptr) { stopped = true; });
    while (!stopped)
        io.run_one();
}

TEST(LateAnswer, ToADestroyedEngineGoesUnheard)
{
    for (bool const stop_first : {false, true})
    {
        auto const                       store = weft::make_memory_store();
        std::deque<weft::operation_call> kept;
        leave_behind(*store, kept, stop_first);
        ASSERT_EQ(kept.size(), 1u);
        std::thread elsewhere([&] {
            EXPECT_EQ(kept.front().where().gid, "g1");
            kept.front().get_executor();
            std::move(kept.front()).answer(weft::outcome::success());
            kept.clear();
        });
        elsewhere.join();
        EXPECT_EQ(store->find("g1", true)->position, 0) << "the next engine sends it again";
    }
}

TEST(LateAnswer, MayNeverCome)
{
    auto const                       store = weft::make_memory_store();
    std::deque<weft::operation_call> kept;
    leave_behind(*store, kept, false);
    kept.clear();  // destroyed without an answer
}

}  // namespace
