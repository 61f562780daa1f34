// Stores on servers, when something is wrong with the server, the account, the schema, or the data.
#include "tests/servers/server_store.hpp"

#include <weft/clock.hpp>

namespace store_faults_test {

using namespace weft::literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

INSTANTIATE_TEST_SUITE_P(, ServerStore, testing::Values("postgres", "mysql"), [](auto const& i) { return i.param; });

TEST_P(ServerStore, SaysWhyItCannotBeOpened)
{
    auto const url = here.url(), at = url.substr(url.find('@')), password = url.substr(url.rfind(':', url.find('@')) + 1, 16);
    EXPECT_THAT(refusal(replaced(url, password, "s3cret")), AllOf(HasSubstr(GetParam() + " weft@127.0.0.1:"), Not(HasSubstr("s3cret"))));
    EXPECT_THAT(refusal(replaced(url, here.name(), "nowhere")), HasSubstr("nowhere"));
    EXPECT_THAT(refusal(url + "?table_prefix=a-b"), HasSubstr("table_prefix"));
    EXPECT_THAT(refusal(url + "?color=red"), AllOf(HasSubstr("color"), Not(HasSubstr(password))));
    EXPECT_THAT(refusal(GetParam() + "://weft:" + password + "@127.0.0.1:1/x"),
                AllOf(HasSubstr("127.0.0.1:1/x"), Not(HasSubstr(password))));
    weft::store_options o;
    o.dtm_utc_offset = std::chrono::hours(24);
    EXPECT_THROW(weft::open_store(url, o), weft::misuse);
}

TEST_P(ServerStore, RefusesASchemaThatAsksForANewerWeft)
{
    weft::open_store(here.url());
    here.execute("UPDATE kv SET v = '99' WHERE cat = 'schema'");
    EXPECT_THAT(refusal(here.url()), AllOf(HasSubstr("schema version 99"), HasSubstr(here.name())));
    here.execute("UPDATE kv SET v = '1' WHERE cat = 'schema' AND k = 'min_reader'");
    EXPECT_EQ(refusal(here.url()), "none") << "a newer one that says we can read it";
}

TEST_P(ServerStore, KeepsSeveralStoresApartByTheirPrefixes)
{
    auto const one = weft::open_store(here.url("?table_prefix=one_")), two = weft::open_store(here.url("?table_prefix=two_"));
    auto const host = start(*one);
    EXPECT_EQ(execute(*host, "g1"), 9);
    EXPECT_TRUE(one->find("g1", false));
    EXPECT_FALSE(two->find("g1", false));
    EXPECT_NE(one->id(), two->id());
}

TEST(PostgresStore, KeepsItsTablesInTheSchemaThatItIsGiven)
{
    server_database here("postgres");
    here.execute("CREATE SCHEMA \"odd name\"");
    auto const store = weft::open_store(here.url("?schema=odd%20name"));
    EXPECT_EQ(here.value("SELECT table_schema FROM information_schema.tables WHERE table_name = 'trans_global'"), "odd name");
    weft::host host(*store);
    auto const flow = host.engine().add("three-steps", &three_steps);
    EXPECT_EQ(flow.execute("g1"_gid, weft::within(30s), weft::blocking), 9);
}

// Its idle sessions are closed by the server: nothing was under way, so nobody hears of it.
TEST_P(ServerStore, FindsASessionThatWasClosedWhileIdle)
{
    auto const store = weft::open_store(here.url());
    EXPECT_FALSE(store->find("g1", false));
    std::string const others = postgres() ? "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
                                          : "FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()";
    if (postgres())
        here.execute("SELECT pg_terminate_backend(pid) " + others);
    else
        here.execute("KILL " + here.value("SELECT min(id) " + others));
    while (here.value("SELECT count(*) " + others) != "0")
        std::this_thread::yield();
    EXPECT_NO_THROW(store->find("g1", false));
}

TEST_P(ServerStore, IsOpenedByManyAtOnce)
{
    std::vector<std::thread> threads;
    std::atomic<int>         opened{0};
    for (int i = 0; i < 6; ++i)
        threads.emplace_back([&] { opened += refusal(here.url()) == "none"; });
    for (auto& t : threads)
        t.join();
    EXPECT_EQ(opened, 6);
    EXPECT_EQ(here.value("SELECT count(*) FROM kv WHERE cat = 'store' AND k = 'id'"), "1");
}

// One engine after the other is taken for dead, and what it owned changes hands; whoever lists what is unfinished meanwhile sees all of
// it.
TEST_P(ServerStore, ListsWhatIsUnfinishedWhileItChangesHands)
{
    constexpr std::size_t          count = 3'000;
    auto const                     store = weft::open_store(here.url());
    std::vector<std::string> const workflows{"three-steps"};
    store->register_engine("engine-0", workflows);
    std::vector<weft::write> writes;
    for (std::size_t i = 0; i < count; ++i)
    {
        weft::create_write c;
        c.gid = "g" + std::to_string(i);
        c.workflow = "three-steps";
        c.owner = "engine-0";
        writes.emplace_back(std::move(c));
    }
    for (auto const& r : store->apply(writes, false))
        ASSERT_EQ(r.what, weft::written::done);

    std::atomic<bool> over{false};
    std::thread       changes([&] {
        for (int i = 0; i < 3; ++i)
        {
            auto const next = "engine-" + std::to_string(i + 1);
            store->register_engine(next, workflows);
            store->unregister_engine("engine-" + std::to_string(i));
            while (!store->claim(next, workflows, 256, false).rows.empty())
                ;
        }
        over = true;
    });
    weft::list_filter unfinished;
    unfinished.unfinished = true;
    unsigned looks = 0;
    for (; !over; ++looks)
    {
        unfinished.limit = looks % 2 ? 1 : 2 * count;
        EXPECT_EQ(store->list(unfinished).size(), std::min(unfinished.limit, count)) << "look " << looks;
    }
    changes.join();
    EXPECT_GT(looks, 2u);
}

// All its sessions die, again and again; statements, too. Every workflow ends all the same, once.
TEST_P(ServerStore, LosesNothingWhenItsSessionsAreKilled)
{
    auto const store = weft::open_store(here.url());
    all_end_in_spite_of([&](auto const& enough) { torment(enough, 40ms, "pg_terminate_backend", "KILL"); }, *store);
}

// The statements only, as by an administrator or a time limit: the sessions live on.
TEST_P(ServerStore, LosesNothingWhenItsStatementsAreCancelled)
{
    auto const store = weft::open_store(here.url());
    all_end_in_spite_of([&](auto const& enough) { torment(enough, postgres() ? 10ms : 2ms, "pg_cancel_backend", "KILL QUERY"); }, *store,
                        80);
}

// Business and journal entry in one commit: it happens once, and nobody has to look at it.
TEST_P(ServerStore, LosesNothingOfItsOwnDatabaseWhenSessionsAreKilled)
{
    auto const store = weft::open_store(here.url());
    work_in_the_stores_database();
    all_end_in_spite_of([&](auto const& enough) { torment(enough, postgres() ? 100ms : 20ms, "pg_terminate_backend", "KILL"); }, *store,
                        80);
    every_step_is_counted_once();
}

TEST_P(ServerStore, LosesNothingOfItsOwnDatabaseWhenStatementsAreCancelled)
{
    auto const store = weft::open_store(here.url());
    work_in_the_stores_database();
    all_end_in_spite_of([&](auto const& enough) { torment(enough, postgres() ? 10ms : 2ms, "pg_cancel_backend", "KILL QUERY"); }, *store,
                        80);
    every_step_is_counted_once();
}

TEST_P(ServerStore, PausesWhatWasEditedIntoSomethingElseAndGoesOnWithTheOthers)
{
    auto const store = weft::open_store(here.url());
    {
        weft::host submits(*store);
        submits.engine().declare<int()>("three-steps");
        submits.start();
        for (auto const* gid : {"good", "bad"})
            weft::handle<int()>(submits.engine(), "three-steps").submit(weft::gid(gid), weft::blocking);
    }
    here.execute("UPDATE trans_global SET ext_data = '{\"journal\":[oops' WHERE gid = 'bad'");
    auto const host = start(*store);
    EXPECT_EQ(execute(*host, "good"), 9);
    try
    {
        execute(*host, "bad");
        ADD_FAILURE() << "it ran";
    }
    catch (weft::unfinished const& e)
    {
        EXPECT_EQ(e.reason(), weft::unfinished::why::paused);
    }
    EXPECT_EQ(execute(*host, "another"), 9);
}

// MySQL closes the connection on whoever sends more than max_allowed_packet (64 MiB here), and says nothing of which write it was.
TEST_P(ServerStore, RefusesAWriteThatIsTooLargeForTheServerAndNoOther)
{
    // They take a busy server longer than an engine waits for an answer by default.
    auto const store = weft::open_store(here.url() + "?answer_timeout=60s");
    store->register_engine("engine", {});
    std::vector<weft::write> writes;
    // More than MySQL takes; PostgreSQL takes whatever it is sent.
    for (std::size_t const size : {100u, (postgres() ? 20u : 70u) << 20, 6u << 20, 100u})
    {
        weft::create_write w;
        w.gid = "g" + std::to_string(writes.size());
        w.workflow = "w";
        w.input = '"' + std::string(size, 'x') + '"';
        w.owner = "engine";
        writes.emplace_back(std::move(w));
    }
    auto const results = store->apply(writes, false);
    for (std::size_t i : {0u, 2u, 3u})
        EXPECT_EQ(results[i].what, weft::written::done) << i;
    EXPECT_EQ(results[1].what, postgres() ? weft::written::done : weft::written::refused);
    EXPECT_THAT(results[1].why, HasSubstr(postgres() ? "" : "max_allowed_packet"));
    EXPECT_EQ(store->find("g2", false)->input.size(), (6u << 20) + 2);
}

// The time in the store is the server's: an engine whose own clock is a day off is neither dead nor early.
class clock_of_tomorrow final : public weft::clock
{
public:
    std::chrono::system_clock::time_point now() const override { return base_->now() + 24h; }
    std::chrono::nanoseconds              since_boot() const override { return base_->since_boot(); }
    std::unique_ptr<weft::alarm>          make_alarm(boost::asio::any_io_executor e) override { return base_->make_alarm(std::move(e)); }

private:
    std::shared_ptr<weft::clock> base_ = weft::system_clock();
};

TEST_P(ServerStore, DoesNotMindAClockThatIsADayOff)
{
    auto const           store = weft::open_store(here.url());
    weft::engine_options options;
    options.clock = std::make_shared<clock_of_tomorrow>();
    auto const today = start(*store), tomorrow = start(*store, options);
    // Until both have said twice that they live, and looked for dead ones as often.
    auto const until = std::chrono::steady_clock::now() + 30s;
    for (int i = 0; std::stoi(here.value("SELECT coalesce(min(version), 0) FROM kv WHERE cat = 'engine'")) < 4 &&
                    std::chrono::steady_clock::now() < until;
         ++i)
    {
        EXPECT_EQ(execute(*today, "today-" + std::to_string(i)), 9);
        EXPECT_EQ(execute(*tomorrow, "tomorrow-" + std::to_string(i)), 9);
    }
    EXPECT_EQ(here.value("SELECT count(*) FROM kv WHERE cat = 'engine'"), "2") << "both are alive still";
    EXPECT_EQ(here.value("SELECT count(*) FROM kv WHERE cat = 'dead engine'"), "0");
}

// --- a server that crashes ------------------------------------------------------------------------------------------------------------

class ServerCrash : public ServerStore
{ };

INSTANTIATE_TEST_SUITE_P(, ServerCrash, testing::Values("postgres plain"), [](auto const&) { return "postgres"; });

// One of its processes is killed while batches are under way: the server ends all the others, recovers from its log, and takes connections
// again.
TEST_P(ServerCrash, LosesNothing)
{
    auto const store = weft::open_store(here.url());
    all_end_in_spite_of(
        [&](auto const&) {
            for (int i = 0; i < 3; ++i)
            {
                EXPECT_TRUE(sees_more(event::created)) << "it does not go on";
                auto const errors = counts->of(event::store_errors);
                EXPECT_THROW(here.execute("COPY (SELECT 1) TO PROGRAM 'kill -9 $PPID'"), std::exception);
                EXPECT_TRUE(eventually([&] { return counts->of(event::store_errors) > errors; })) << "nobody noticed";
            }
        },
        *store);
}

}  // namespace store_faults_test
