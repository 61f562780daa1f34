// User code that does not return: whoever runs it sends no heartbeats any more, and its successors fare no better. It keeps a real thread, and
// what notices that looks at real time: no virtual clock here.
#include <weft/weft.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <thread>

namespace blockage_test {

using namespace std::chrono_literals;
using namespace weft::literals;
using ::testing::HasSubstr;

// What blocks, until the test lets it go.
class latch
{
public:
    void wait()
    {
        ++inside;
        while (!open)
            std::this_thread::sleep_for(1ms);
    }
    std::atomic<int>  inside{0};
    std::atomic<bool> open{false};
};

int same(int n) { return n; }

weft::workflow<int> blocks_in_its_body(weft::context& wf, latch& l)
{
    auto const n = co_await wf.step("first", &same, 7);
    l.wait();
    co_return n;
}

weft::workflow<int> harmless(weft::context& wf) { co_return co_await wf.step("first", &same, 7); }

weft::workflow<int> is_slow(weft::context& wf, std::chrono::milliseconds const& by)
{
    std::this_thread::sleep_for(by);
    co_return co_await wf.step("first", &same, 7);
}

weft::engine_options quick()
{
    weft::engine_options o;
    o.beat = 50ms;
    o.expiry = 400ms;
    o.poll = 20ms;
    return o;
}

std::size_t notes(weft::store& s) { return s.kv("blockage", {}, 0, 10).size(); }

// Opens it also when a test ends early: else its threads never do.
struct opened_at_the_end
{
    latch& l;
    ~opened_at_the_end() { l.open = true; }
};

TEST(Blockage, CostsTwoEnginesAndNotTheFleet)
{
    auto const                               store = weft::make_memory_store();
    latch                                    l;
    std::array<std::atomic<bool>, 4>         said{};
    std::vector<std::unique_ptr<weft::host>> fleet;
    for (int i = 0; i < 4; ++i)
    {
        auto& h = *fleet.emplace_back(std::make_unique<weft::host>(*store, quick()));
        h.engine().add("blocks", &blocks_in_its_body, std::ref(l));
        h.engine().add("harmless", &harmless);
        h.start();
    }
    opened_at_the_end const end{l};
    weft::handle<int()>(fleet[0]->engine(), "blocks").submit("g1"_gid, weft::blocking);
    auto const until = std::chrono::steady_clock::now() + 20s;
    while (store->find("g1", false)->paused_reason.empty() && std::chrono::steady_clock::now() < until)
        std::this_thread::sleep_for(5ms);
    EXPECT_THAT(store->find("g1", false)->paused_reason,
                HasSubstr("branch 01, or the body after it, did not return: it blocked the threads of 2 engines"));
    EXPECT_EQ(l.inside, 2);
    // Those that are blocked do not answer.
    for (std::size_t i = 0; i < fleet.size(); ++i)
        fleet[i]->engine().alive([&said = said[i]](std::exception_ptr, bool is) { said = is; });
    while (std::count(said.begin(), said.end(), true) < 2 && std::chrono::steady_clock::now() < until)
        std::this_thread::sleep_for(1ms);
    std::vector<weft::engine*> alive;
    for (std::size_t i = 0; i < fleet.size(); ++i)
        if (said[i])
            alive.push_back(&fleet[i]->engine());
    ASSERT_EQ(alive.size(), 2u);
    int ends = 0;
    for (auto* const e : alive)
        ends += weft::handle<int()>(*e, "harmless").execute(weft::gid("h" + std::to_string(ends)), weft::blocking);
    EXPECT_EQ(ends, 14);
    while (notes(*store) > 0 && std::chrono::steady_clock::now() < until)
        std::this_thread::sleep_for(5ms);
    EXPECT_EQ(notes(*store), 0u) << "whoever resumes it wants it to be tried as if for the first time";

    // Mended, it goes on.
    l.open = true;
    alive[0]->resume("g1"_gid, weft::blocking);
    EXPECT_EQ(weft::handle<int()>(*alive[0], "blocks").execute("g1"_gid, weft::blocking), 7);
}

// One process only, which somebody restarts whenever it hangs.
TEST(Blockage, IsRememberedByWhoeverIsRestarted)
{
    auto const                               store = weft::make_memory_store();
    latch                                    l;
    std::vector<std::unique_ptr<weft::host>> lives;
    opened_at_the_end const                  end{l};
    auto const                               until = std::chrono::steady_clock::now() + 20s;
    for (int life = 1; life <= 3; ++life)
    {
        auto&      h = *lives.emplace_back(std::make_unique<weft::host>(*store, quick()));
        auto const blocks = h.engine().add("blocks", &blocks_in_its_body, std::ref(l));
        h.start();
        if (life == 1)
            blocks.submit("g1"_gid, weft::blocking);
        while (l.inside < life && store->find("g1", false)->paused_reason.empty() && std::chrono::steady_clock::now() < until)
            std::this_thread::sleep_for(5ms);
        while (life <= 2 && notes(*store) == 0 && std::chrono::steady_clock::now() < until)
            std::this_thread::sleep_for(5ms);
    }
    EXPECT_EQ(l.inside, 2);
    EXPECT_THAT(store->find("g1", false)->paused_reason, HasSubstr("2 engines"));
}

TEST(Blockage, IsForgottenWhenTheCodeReturnsInTime)
{
    auto const                store = weft::make_memory_store();
    std::chrono::milliseconds by = 200ms;
    weft::host                h(*store, quick());
    auto const                slow = h.engine().add("slow", &is_slow, std::cref(by));
    h.start();
    slow.submit("g1"_gid, weft::blocking);
    auto const until = std::chrono::steady_clock::now() + 10s;
    bool       noted = false;
    while (!is_final(store->find("g1", false)->status) && std::chrono::steady_clock::now() < until)
        noted = noted || notes(*store) > 0;
    EXPECT_TRUE(noted);
    while (notes(*store) > 0 && std::chrono::steady_clock::now() < until)
        std::this_thread::sleep_for(1ms);
    EXPECT_EQ(notes(*store), 0u);
    EXPECT_EQ(store->find("g1", false)->status, weft::status::succeed);
}

}  // namespace blockage_test
