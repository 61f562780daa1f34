// What callers are told (I8): whatever the store does, each answer is compared with what the store holds in the end.
#include "tests/unit/branches.hpp"
#include "tests/unit/workshop.hpp"
#include "tests/unit/wrapped_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace answers_test {

using namespace weft::literals;
using namespace workshop;
using ::testing::HasSubstr;
using weft::known;
using weft::testing::environment;

weft::workflow<int> works(weft::context& wf) { co_return co_await wf.step("work", &same, 7); }
weft::workflow<int> hangs(weft::context& wf) { co_return co_await wf.step("hung", &same, 7); }
weft::workflow<int> takes_a_while(weft::context& wf) { co_return co_await wf.step("slow", &same, 7); }
weft::workflow<int> pauses_first(weft::context& wf)
{
    auto const once = weft::retry_policy{.attempts = 1};
    co_return co_await wf.step(weft::named("picky").retry(once), &same, 7);
}

// What a caller was told, in one word.
struct answer
{
    bool        there = false;
    bool        well = false;
    known       written = known::applied;
    std::string what;

    void take(std::exception_ptr error)
    {
        EXPECT_FALSE(there) << "a second answer";
        there = true;
        well = !error;
        try
        {
            if (error)
                std::rethrow_exception(error);
        }
        catch (weft::store_error const& e)
        {
            written = e.written();
            what = e.what();
        }
        catch (weft::unfinished const& e)
        {
            written = e.written();
            what = e.what();
        }
        catch (std::exception const& e)
        {
            ADD_FAILURE() << "neither store_error nor unfinished: " << e.what();
        }
    }
    auto slot()
    {
        return [this](std::exception_ptr e, auto&&...) { take(e); };
    }
};

weft::testing::environment_options behind(std::shared_ptr<wrapped_store::control> c, weft::engine_options engine = {})
{
    auto o = wrapped_store::options(std::move(c));
    o.engine = std::move(engine);
    return o;
}

class world : public managed
{
public:
    explicit world(weft::engine_options engine = {}) : world(std::make_shared<wrapped_store::control>(), std::move(engine)) { }

    weft::transaction_manager& manager_of_now()
    {
        env.engine();
        return manager();
    }
    std::optional<weft::transaction> find(std::string const& gid) { return env.store().find(gid, true); }

    std::shared_ptr<wrapped_store::control> control;

private:
    world(std::shared_ptr<wrapped_store::control> c, weft::engine_options engine)
        : managed(behind(c, std::move(engine)))
        , control(std::move(c))
    {
        env.add("works", &works);
        env.add("hangs", &hangs);
        env.add("takes-a-while", &takes_a_while);
        env.add("pauses-first", &pauses_first);
        env.on("picky").throws("not today").runs();
        env.on("hung").hangs();
        env.on("slow").answers_after(5s);
        env.engine();
        env.settle();
    }
};

// --- the table ------------------------------------------------------------------------------------------------------------------------

// Something that a caller asks for, and whether the store shows it.
struct asked_for
{
    std::string                                       name;
    std::function<void(world&)>                       arrange;
    std::function<void(world&, answer&)>              ask;
    std::function<bool(weft::transaction const& row)> shows;
};

std::vector<asked_for> const& calls()
{
    auto const nothing_before = [](world&) {};
    auto const is_there = [](weft::transaction const&) { return true; };
    auto const has_status = [](auto... s) { return [=](weft::transaction const& t) { return ((t.status == s) || ...); }; };
    using enum weft::status;
    static std::vector<asked_for> const all{
        {"execute", nothing_before, [](world& w, answer& a) { weft::handle<int()>(w.env.engine(), "works").execute("g"_gid, a.slot()); },
         is_there},
        {"execute within 500 ms", nothing_before,
         [](world& w, answer& a) { weft::handle<int()>(w.env.engine(), "works").execute("g"_gid, weft::within(500ms), a.slot()); },
         is_there},
        {"submit", nothing_before, [](world& w, answer& a) { weft::handle<int()>(w.env.engine(), "works").submit("g"_gid, a.slot()); },
         is_there},
        {"cancel",
         [](world& w) {
             w.env.workflow<int()>("hangs").submit("g"_gid);
             w.env.settle();
         },
         [](world& w, answer& a) { w.env.engine().cancel("g"_gid, a.slot()); },
         [](weft::transaction const& t) { return t.cancel_requested; }},
        {"resume",
         [](world& w) {
             w.env.workflow<int()>("pauses-first").submit("g"_gid);
             w.env.advance(1s);
             ASSERT_NE(w.row("g").paused_reason, "");
         },
         [](world& w, answer& a) { w.env.engine().resume("g"_gid, a.slot()); },
         [](weft::transaction const& t) { return t.paused_reason.empty(); }},
        {"prepare", nothing_before,
         [](world& w, answer& a) { w.manager_of_now().prepare(of_type("tcc", "g", R"({"timeout_to_fail":100000})"), a.slot()); }, is_there},
        {"submit of a saga", nothing_before, [](world& w, answer& a) { w.manager_of_now().submit(saga("g"), a.slot()); }, is_there},
        {"submit of what is prepared", [](world& w) { w.prepare(of_type("tcc", "g", R"({"timeout_to_fail":100000})")); },
         [](world& w, answer& a) { w.manager_of_now().submit(of_type("tcc", "g"), a.slot()); }, has_status(submitted, succeed)},
        {"register", [](world& w) { w.prepare(of_type("tcc", "g", R"({"timeout_to_fail":100000})")); },
         [](world& w, answer& a) {
             w.manager_of_now().register_branch(weft::gid("g"), "tcc", registered("01", "cancel", "confirm", "a"), a.slot());
         },
         [](weft::transaction const& t) { return !t.ops.empty(); }},
        {"abort", [](world& w) { w.prepare(of_type("tcc", "g", R"({"timeout_to_fail":100000})")); },
         [](world& w, answer& a) { w.manager_of_now().abort(weft::gid("g"), "tcc", "why not", a.slot()); }, has_status(aborting, failed)},
        {"force stop", [](world& w) { w.prepare(of_type("tcc", "g", R"({"timeout_to_fail":100000})")); },
         [](world& w, answer& a) { w.manager_of_now().force_stop(weft::gid("g"), a.slot()); }, has_status(failed)},
    };
    return all;
}

// What befalls the store: from before the call on, and some time after it.
struct fault
{
    std::string                 name;
    std::function<void(world&)> before, after;
    bool                        comes_back = true;
};

void lose_one_answer(world& w, bool then_down)
{
    auto& c = *w.control;
    c.applied = [&c, then_down] {
        c.deaf = true;
        c.down = then_down;
        c.applied = [] {};
    };
    c.seen = [&c](weft::write const&) { c.deaf = false; };
}

std::vector<fault> const& faults()
{
    auto const down = [](world& w) { w.control->down = true; };
    auto const deaf = [](world& w) { w.control->deaf = true; };
    auto const lifeless = [](world& w) {
        w.env.crash();
        w.control->down = true;
    };
    auto const wait = [](std::chrono::milliseconds t) { return [t](world& w) { w.env.advance(t); }; };
    auto const stop = [](std::chrono::milliseconds deadline) {
        return [deadline](world& w) {
            w.env.advance(100ms);
            w.env.stop(deadline);
        };
    };
    static std::vector<fault> const all{
        {"nothing", [](world&) {}, wait(1s)},
        {"down for two seconds", down, wait(2s)},
        {"down for a minute", down, wait(1min)},
        {"down for good", down, wait(1min), false},
        {"answers lost for a minute", deaf, wait(1min)},
        {"answers lost for good", deaf, wait(1min), false},
        {"one answer lost", [](world& w) { lose_one_answer(w, false); }, wait(1min)},
        {"one answer lost, then down for a minute", [](world& w) { lose_one_answer(w, true); }, wait(1min)},
        {"one answer lost, then down for good", [](world& w) { lose_one_answer(w, true); }, wait(1min), false},
        {"down from the start, for a minute", lifeless, wait(1min)},
        {"down from the start, for good", lifeless, wait(1min), false},
        {"down, and the engine stops", down, stop(1s)},
        {"answers lost, and the engine stops", deaf, stop(1s)},
        {"down from the start, and the engine stops", lifeless, stop(1s)},
    };
    return all;
}

class Answers : public ::testing::TestWithParam<std::size_t>
{ };

INSTANTIATE_TEST_SUITE_P(, Answers, ::testing::Range<std::size_t>(0, calls().size()), [](auto const& i) {
    auto name = calls()[i.param].name;
    std::replace(name.begin(), name.end(), ' ', '_');
    return name;
});

// Applied: it is there. Not written: it is not, and never comes. In doubt: either.
TEST_P(Answers, AreWhatTheStoreHoldsInTheEnd)
{
    auto const& c = calls()[GetParam()];
    for (auto const& f : faults())
    {
        SCOPED_TRACE(c.name + ", the store: " + f.name);
        world  w;
        answer a;
        c.arrange(w);
        f.before(w);
        c.ask(w, a);
        f.after(w);
        EXPECT_TRUE(a.there || f.comes_back) << "no answer";
        w.control->applied = [] {};
        w.control->seen = [](weft::write const&) {};
        if (!f.comes_back)
            w.env.crash();
        w.control->down = w.control->deaf = false;
        if (f.comes_back)
        {
            w.env.advance(30s);
            EXPECT_TRUE(a.there) << "no answer";
            // Another process, should this one have kept something to itself.
            w.env.crash();
            w.env.advance(30s);
        }
        auto const row = w.find("g");
        bool const shown = row && c.shows(*row);
        if (a.well || a.written == known::applied)
        {
            EXPECT_TRUE(shown) << "told: applied. " << a.what;
        }
        else if (a.written == known::not_written)
        {
            EXPECT_FALSE(shown) << "told: not written. " << a.what;
        }
    }
}

// --- not written means that it is withdrawn ---------------------------------------------------------------------------------------------

class Caller : public ::testing::Test, protected world
{ };

TEST_F(Caller, ThatSubmitsAnewUnderAnotherGidHasOneTransaction)
{
    control->down = true;
    answer first, second;
    manager().submit(saga("first"), first.slot());
    env.advance(10s);
    ASSERT_TRUE(first.there);
    ASSERT_EQ(first.written, known::not_written);
    manager().submit(saga("second"), second.slot());
    control->down = false;
    env.advance(1min);
    EXPECT_TRUE(second.well);
    EXPECT_FALSE(find("first"));
    EXPECT_EQ(row("second").status, weft::status::succeed);
}

// The first try may have been applied: whoever asks again is not told that there is nothing.
TEST_F(Caller, ThatAsksAgainAboutWhatIsInDoubtIsNotToldThatNothingWasWritten)
{
    control->deaf = true;
    answer first, again;
    weft::handle<int()>(env.engine(), "works").submit("g"_gid, first.slot());
    env.advance(10s);
    ASSERT_EQ(first.written, known::in_doubt);
    control->deaf = false;
    control->down = true;
    weft::handle<int()>(env.engine(), "works").submit("g"_gid, again.slot());
    env.advance(10s);
    ASSERT_TRUE(again.there);
    EXPECT_EQ(again.written, known::in_doubt);
}

// What somebody else asked for under the same gid may still come: "not written" would be taken for leave to use another gid.
TEST_F(Caller, WhoseDeadlinePassesWhileAnotherAsksForTheSameIsNotToldThatNothingWasWritten)
{
    control->down = true;
    answer first, again;
    weft::handle<int()>(env.engine(), "works").submit("g"_gid, first.slot());
    weft::handle<int()>(env.engine(), "works").execute("g"_gid, weft::within(500ms), again.slot());
    env.advance(1s);
    ASSERT_FALSE(first.there);
    ASSERT_TRUE(again.there);
    EXPECT_EQ(again.written, known::in_doubt);
    control->down = false;
    env.advance(10s);
    EXPECT_TRUE(first.well);
    EXPECT_EQ(row("g").status, weft::status::succeed);
}

TEST_F(Caller, WhoseDeadlinePassesWhileTheSameRunsHereIsNotToldThatNothingWasWritten)
{
    weft::handle<int()>(env.engine(), "hangs").submit("g"_gid, [](std::exception_ptr) {});
    env.settle();
    control->down = true;
    answer a;
    weft::handle<int()>(env.engine(), "hangs").execute("g"_gid, weft::within(500ms), a.slot());
    env.advance(1s);
    ASSERT_TRUE(a.there);
    EXPECT_EQ(a.written, known::in_doubt);
    control->down = false;
}

TEST_F(Caller, WhoIsLeftByAStopWhileTheSameRunsHereIsNotToldThatNothingWasWritten)
{
    weft::handle<int()>(env.engine(), "hangs").submit("g"_gid, [](std::exception_ptr) {});
    env.settle();
    control->down = true;
    answer again, other;
    weft::handle<int()>(env.engine(), "hangs").submit("g"_gid, again.slot());
    weft::handle<int()>(env.engine(), "works").submit("another"_gid, other.slot());
    env.settle();
    env.stop(1s);
    EXPECT_EQ(again.written, known::in_doubt) << again.what;
    EXPECT_EQ(other.written, known::not_written) << other.what;
    control->down = false;
}

TEST_F(Caller, WhoComesToAFullQueueThatHoldsTheSameIsNotToldThatNothingWasWritten)
{
    world small({.queue_limit = 1});
    small.control->down = true;
    answer first, again, other;
    weft::handle<int()>(small.env.engine(), "works").submit("g"_gid, first.slot());
    small.env.settle();
    weft::handle<int()>(small.env.engine(), "works").submit("g"_gid, again.slot());
    weft::handle<int()>(small.env.engine(), "works").submit("another"_gid, other.slot());
    small.env.settle();
    EXPECT_EQ(again.written, known::in_doubt) << again.what;
    EXPECT_EQ(other.written, known::not_written) << other.what;
}

TEST_F(Caller, WhoComesWhileTheStoreIsDownIsToldToo)
{
    control->down = true;
    answer first, second, third;
    weft::handle<int()>(env.engine(), "works").execute("g1"_gid, first.slot());
    env.advance(10s);
    EXPECT_TRUE(first.there);
    weft::handle<int()>(env.engine(), "works").execute("g2"_gid, second.slot());
    weft::handle<int()>(env.engine(), "works").execute("g3"_gid, third.slot());
    env.advance(10s);
    EXPECT_TRUE(second.there);
    EXPECT_TRUE(third.there);
}

TEST_F(Caller, HasTheSamePatienceWithEveryOutage)
{
    answer first, second;
    control->down = true;
    weft::handle<int()>(env.engine(), "works").execute("g1"_gid, first.slot());
    env.advance(1s);
    control->down = false;
    env.advance(60s);
    EXPECT_TRUE(first.there && first.well);
    control->down = true;
    weft::handle<int()>(env.engine(), "works").execute("g2"_gid, second.slot());
    env.advance(1s);
    EXPECT_FALSE(second.there) << "told of trouble after a second";
    control->down = false;
    env.advance(10s);
    EXPECT_TRUE(second.there && second.well);
}

// After an outage of which nothing is left to write: all who waited were told.
TEST_F(Caller, HasTheSamePatienceAfterAnOutageThatOthersGaveUp)
{
    answer first, second;
    control->down = true;
    weft::handle<int()>(env.engine(), "works").execute("g1"_gid, first.slot());
    env.advance(10s);
    ASSERT_EQ(first.written, known::not_written);
    control->down = false;
    env.advance(60s);
    control->down = true;
    weft::handle<int()>(env.engine(), "works").execute("g2"_gid, second.slot());
    env.advance(1s);
    EXPECT_FALSE(second.there) << "told of trouble after a second";
    control->down = false;
    env.advance(10s);
    EXPECT_TRUE(second.there && second.well);
}

// What a transaction under way has to write is nobody's to take back; callers who come behind it are told all the same.
TEST_F(Caller, WhoComesBehindATransactionThatWaitsForTheStoreIsToldToo)
{
    env.workflow<int()>("takes-a-while").submit("under way"_gid);
    env.settle();
    control->down = true;
    env.advance(12s);
    answer first, second;
    weft::handle<int()>(env.engine(), "works").execute("g1"_gid, first.slot());
    weft::handle<int()>(env.engine(), "works").execute("g2"_gid, second.slot());
    env.advance(6s);
    EXPECT_TRUE(first.there && second.there);
    EXPECT_EQ(first.written, known::not_written);
    EXPECT_EQ(second.written, known::not_written);
    control->down = false;
    env.advance(10s);
    EXPECT_EQ(row("under way").status, weft::status::succeed);
    EXPECT_FALSE(find("g1") || find("g2"));
}

TEST_F(Caller, OfAnEngineThatHasStoppedIsToldThatNothingWasWritten)
{
    env.stop(1s);
    answer submitted, executed, saga_submitted, cancelled;
    weft::handle<int()>(env.engine(), "works").submit("g1"_gid, submitted.slot());
    weft::handle<int()>(env.engine(), "works").execute("g2"_gid, executed.slot());
    manager().submit(saga("g3"), saga_submitted.slot());
    env.engine().cancel("g4"_gid, cancelled.slot());
    env.settle();
    for (auto const* a : {&submitted, &executed, &saga_submitted, &cancelled})
    {
        ASSERT_TRUE(a->there);
        EXPECT_EQ(a->written, known::not_written) << a->what;
        EXPECT_THAT(a->what, HasSubstr("nothing was written"));
    }
}

TEST_F(Caller, WhoseDeadlinePassesBeforeAnythingIsWrittenIsToldSo)
{
    env.crash();
    control->down = true;
    answer a;
    weft::handle<int()>(env.engine(), "works").execute("g"_gid, weft::within(500ms), a.slot());
    env.advance(600ms);
    ASSERT_TRUE(a.there);
    EXPECT_EQ(a.written, known::not_written);
    EXPECT_THAT(a.what, HasSubstr("nothing was written"));
    control->down = false;
    env.advance(1min);
    EXPECT_FALSE(find("g"));
}

TEST_F(Caller, WhoseDeadlinePassesWhileItRunsIsToldThatItGoesOn)
{
    answer a;
    weft::handle<int()>(env.engine(), "hangs").execute("g"_gid, weft::within(500ms), a.slot());
    env.advance(600ms);
    ASSERT_TRUE(a.there);
    EXPECT_EQ(a.written, known::applied);
    EXPECT_THAT(a.what, HasSubstr("goes on"));
}

// --- what was decided, and could not be read afterwards ---------------------------------------------------------------------------------

TEST_F(Caller, IsToldThatItsDecisionIsAppliedThoughTheReadAfterItFailed)
{
    prepare(of_type("tcc", "g1"));
    register_branch("g1", registered("01", "cancel", "confirm", "a"));
    control->tamper = [this](weft::transaction&) {
        control->tamper = [](weft::transaction&) {};
        throw weft::store_error("for a moment");
    };
    answer a;
    manager().submit(of_type("tcc", "g1"), a.slot());
    env.advance(60s);
    ASSERT_TRUE(a.there);
    EXPECT_FALSE(a.well);
    EXPECT_EQ(a.written, known::applied);
    EXPECT_EQ(row("g1").status, weft::status::succeed) << "leased, and run by nobody";
}

// --- what waits is bounded --------------------------------------------------------------------------------------------------------------

TEST(Queue, IsBoundedWhileTheStoreIsDownAndEveryAnswerIsTrue)
{
    weft::engine_options options;
    options.queue_limit = 500;
    world w(options);
    w.control->down = true;
    constexpr std::size_t clients = 1'000;
    struct client
    {
        bool waits = false, well = false;
    };
    std::vector<client> all(clients);
    std::size_t         waiting = 0, most = 0, refused = 0;
    auto const          ask = [&](std::size_t i) {
        all[i].waits = true;
        most = std::max(most, ++waiting);
        weft::handle<int()>(w.env.engine(), "works").submit(weft::gid("g" + std::to_string(i)), [&, i](std::exception_ptr error) {
            all[i].waits = false;
            --waiting;
            all[i].well = !error;
            try
            {
                if (error)
                    std::rethrow_exception(error);
            }
            catch (weft::store_error const& e)
            {
                EXPECT_EQ(e.written(), known::not_written) << e.what();
                refused += std::string(e.what()).find("queue_limit") != std::string::npos;
            }
        });
    };
    // Each client asks again a tenth of a second after it was refused, for twenty seconds.
    for (int tenths = 0; tenths < 200; ++tenths)
    {
        for (std::size_t i = 0; i < clients; ++i)
            if (!all[i].waits && !all[i].well)
                ask(i);
        w.env.advance(100ms);
        ASSERT_LE(waiting, 500u);
    }
    EXPECT_GT(refused, clients);
    for (auto const& c : all)
        EXPECT_FALSE(c.well);
    w.control->down = false;
    w.env.run_until([&] { return waiting == 0; });
    for (std::size_t i = 0; i < clients; ++i)
        EXPECT_EQ(all[i].well, w.find("g" + std::to_string(i)).has_value()) << i;
    for (std::size_t i = 0; i < clients; ++i)
        if (!all[i].well)
        {
            ask(i);
            w.env.run_until([&] { return waiting < 400; });
        }
    w.env.run_until([&] { return waiting == 0; });
    for (std::size_t i = 0; i < clients; ++i)
        EXPECT_TRUE(all[i].well) << i;
}

TEST(Queue, RefusesBytesTooButNeverTheOnlyOne)
{
    weft::engine_options options;
    options.queue_bytes = 10'000;
    world w(options);
    w.control->down = true;
    answer large, next;
    auto   big = saga("large");
    big.steps[0].payload = std::string(50'000, 'x');
    w.manager().submit(big, large.slot());
    w.manager().submit(saga("next"), next.slot());
    w.env.settle();
    EXPECT_FALSE(large.there);
    ASSERT_TRUE(next.there);
    EXPECT_EQ(next.written, known::not_written);
    EXPECT_THAT(next.what, HasSubstr("queue_bytes"));
    w.control->down = false;
    w.env.advance(10s);
    EXPECT_TRUE(large.well);
    EXPECT_FALSE(w.find("next"));
}

TEST(Queue, NeverRefusesWhatATransactionUnderWayHasToWrite)
{
    weft::engine_options options;
    options.queue_limit = 1;
    world w(options);
    for (int i = 0; i < 50; ++i)
    {
        answer a;
        weft::handle<int()>(w.env.engine(), "takes-a-while").submit(weft::gid("g" + std::to_string(i)), a.slot());
        w.env.settle();
        ASSERT_TRUE(a.well) << i;
    }
    w.env.advance(10s);
    for (int i = 0; i < 50; ++i)
        EXPECT_EQ(w.row("g" + std::to_string(i)).status, weft::status::succeed) << i;
}

TEST(Queue, CountsAgainstWhatMayBeInFlight)
{
    weft::engine_options options;
    options.max_in_flight = 10;
    world w(options);
    w.control->down = true;
    std::vector<answer> all(50);
    for (std::size_t i = 0; i < all.size(); ++i)
    {
        if (i % 2 == 0)
            weft::handle<int()>(w.env.engine(), "hangs").submit(weft::gid("g" + std::to_string(i)), all[i].slot());
        else
            w.manager().submit(saga("g" + std::to_string(i)), all[i].slot());
    }
    w.env.advance(1s);
    std::size_t leased = 0;
    w.control->seen = [&](weft::write const& write) {
        if (auto const* c = std::get_if<weft::create_write>(&write))
            leased += !c->owner.empty();
    };
    w.control->down = false;
    w.env.advance(3s);
    EXPECT_GT(leased, 0u);
    EXPECT_LE(leased, 10u);
    EXPECT_LE(w.env.engine().in_flight().transactions, 10u);
    for (auto const& a : all)
        EXPECT_TRUE(a.well);
}

// --- what no column of text takes -------------------------------------------------------------------------------------------------------

TEST_F(Caller, IsRefusedWhatHasANulInIt)
{
    using namespace std::string_literals;
    auto const refused = [&](auto start) {
        bool misused = false, there = false;
        start([&](std::exception_ptr error, auto&&...) {
            there = true;
            try
            {
                std::rethrow_exception(error);
            }
            catch (weft::misuse const&)
            {
                misused = true;
            }
            catch (std::exception const&)
            { }
        });
        env.settle();
        return there && misused;
    };
    auto const gid = "a\0b"s;
    EXPECT_TRUE(refused([&](auto to) { weft::handle<int()>(env.engine(), "works").execute(weft::gid(gid), to); }));
    EXPECT_TRUE(refused([&](auto to) { weft::handle<int()>(env.engine(), "works").submit(weft::gid(gid), to); }));
    EXPECT_TRUE(refused([&](auto to) { env.engine().cancel(weft::gid(gid), to); }));
    EXPECT_TRUE(refused([&](auto to) { env.engine().resume(weft::gid(gid), to); }));
    EXPECT_TRUE(refused([&](auto to) { manager().submit(saga(gid), to); }));
    EXPECT_TRUE(
        refused([&](auto to) { manager().register_branch(weft::gid("g"), "tcc", registered("0\0001"s, "cancel", "confirm", "a"), to); }));
    EXPECT_TRUE(
        refused([&](auto to) { manager().register_branch(weft::gid("g"), "tcc", registered("01", "cancel", "confirm", "a\0"s), to); }));
    EXPECT_TRUE(refused([&](auto to) { manager().finish_workflow(weft::gid("g"), weft::status::succeed, "", "a\0"s, to); }));
    auto odd = saga("g");
    odd.custom_data = "\0"s;
    EXPECT_TRUE(refused([&](auto to) { manager().submit(odd, to); }));
    EXPECT_THROW(env.engine().declare<void()>("a\0b"s), weft::misuse);
}

}  // namespace answers_test
