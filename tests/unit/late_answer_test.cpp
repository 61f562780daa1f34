// Operations answer when they like: also when their engine is gone, and its executor's context with it.
#include "tests/unit/workshop.hpp"

#include <weft/weft.hpp>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <thread>

namespace late_answer_test {

using namespace weft::literals;
using namespace workshop;

weft::workflow<void> waits(weft::context& wf, left_to_the_test const& operation) { co_await wf.step("wait", operation); }

// Runs until the operation is under way, and then everything but the operation goes.
void leave_behind(weft::store& store, left_to_the_test const& operation, bool stop_first)
{
    boost::asio::io_context io{1};
    weft::engine            engine(io, store);
    auto const              flow = engine.add("waits", &waits, std::cref(operation));
    flow.submit("g1"_gid, [](std::exception_ptr) {});
    while (operation.waiting() == 0)
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
        auto const             store = weft::make_memory_store();
        left_to_the_test const operation;
        leave_behind(*store, operation, stop_first);
        ASSERT_EQ(operation.waiting(), 1u);
        std::thread elsewhere([&] {
            auto call = operation.take();
            EXPECT_EQ(call.where().gid, "g1");
            call.get_executor();
            std::move(call).answer(weft::outcome::success());
        });
        elsewhere.join();
        EXPECT_EQ(store->find("g1", true)->position, 0) << "the next engine sends it again";
    }
}

TEST(LateAnswer, MayNeverCome)
{
    auto const             store = weft::make_memory_store();
    left_to_the_test const operation;
    leave_behind(*store, operation, false);
    operation.take();  // destroyed without an answer
}

}  // namespace late_answer_test
