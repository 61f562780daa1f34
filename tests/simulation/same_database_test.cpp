// Operations in the store's own database: business, barrier and journal entry are one commit, wherever the process dies.
#include "tests/simulation/sqlite_backend.hpp"

#include <weft/host.hpp>
#include <weft/sql.hpp>
#include <weft/testing/environment.hpp>

#include <boost/asio/use_future.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <future>
#include <map>
#include <thread>

// After GoogleTest: failures are reported to it.
#include <weft/testing/crash_everywhere.hpp>

namespace same_database_test {

using namespace weft::literals;
using ::testing::ElementsAre;
using weft::testing::crash_mode;
using weft::testing::environment;

// A ledger without a unique key, so that a double effect shows.
void enter(soci::session& sql, std::string what) { sql << "INSERT INTO ledger (what) VALUES (:w)", soci::use(what); }
void take_back(soci::session& sql, std::string what)
{
    auto const undone = "not " + what;
    sql << "INSERT INTO ledger (what) VALUES (:w)", soci::use(undone);
}
int refuse(soci::session& sql, std::string what)
{
    enter(sql, what);
    throw weft::failure("no");
}

void commit_everything(soci::session& sql, std::string what)
{
    enter(sql, what);
    sql << "COMMIT";
}
void roll_back_everything(soci::session& sql, std::string what)
{
    enter(sql, what);
    sql << "ROLLBACK";
}
void escape(soci::session& sql, std::string what)
{
    sql << "ROLLBACK";
    enter(sql, what);  // outside any transaction: by itself it would commit
}
void hide_the_end(soci::session& sql, std::string what)
{
    try
    {
        commit_everything(sql, what);
    }
    catch (std::exception const&)
    {
        // As if nothing had happened.
    }
}

// Another number each time that it runs, though what it did before was undone.
int numbers = 0;
int number(soci::session& sql, std::string what)
{
    enter(sql, what);
    return ++numbers;
}
weft::workflow<int> gets_a_number(weft::context& wf, weft::database& db, std::string what)
{
    co_return co_await wf.step("number", weft::sql(db)(&number), what);
}

// Takes its time, on the virtual clock.
weft::testing::virtual_clock* slow_clock = nullptr;
void                          dawdle(soci::session& sql, std::string what)
{
    enter(sql, what);
    slow_clock->advance(std::chrono::milliseconds(150));
}
weft::workflow<void> dawdles(weft::context& wf, weft::database& db, std::string what)
{
    co_await wf.step("dawdle", weft::sql(db)(&dawdle), what);
}

void nothing() { }

// An operation that ends the store's transaction, among others that share it.
using wrong_operation = void (*)(soci::session&, std::string);
weft::workflow<int> goes_wrong(weft::context& wf, weft::database& db, wrong_operation const& wrong, std::string what)
{
    co_await wf.step("wrong", weft::sql(db)(wrong), what);
    co_return 1;
}
int                 says_no() { throw weft::failure("no"); }
weft::workflow<int> goes_wrong_after_a_no(weft::context& wf, weft::database& db, std::string what)
{
    try
    {
        co_await wf.step("asked", &says_no);
    }
    catch (weft::failure const&)
    { }
    co_await wf.step("wrong", weft::sql(db)(&commit_everything), what);
    co_return 1;
}
weft::workflow<int> goes_right(weft::context& wf, weft::database& db, std::string what)
{
    co_await wf.step("right", weft::sql(db)(&enter), what);
    co_return 1;
}

weft::workflow<int> commits(weft::context& wf, weft::database& db, std::string)
{
    co_await wf.saga("first", weft::sql(db)(&enter), weft::sql(db)(&take_back), std::string("first"));
    co_await wf.step("second", weft::sql(db)(&enter), std::string("second"));
    co_await wf.tcc("third", weft::sql(db)(&enter), weft::sql(db)(&enter), weft::sql(db)(&take_back), std::string("third"));
    co_return 3;
}

weft::workflow<int> rolls_back(weft::context& wf, weft::database& db, std::string)
{
    co_await wf.saga("first", weft::sql(db)(&enter), weft::sql(db)(&take_back), std::string("first"));
    co_await wf.tcc("second", weft::sql(db)(&enter), weft::sql(db)(&enter), weft::sql(db)(&take_back), std::string("second"));
    co_return co_await wf.step("third", weft::sql(db)(&refuse), std::string("third"));
}

weft::workflow<void> tells(weft::context& wf, weft::database& db, bool well)
{
    co_await wf.on_finish("notice", weft::sql(db)(&enter), std::string("notice"));
    co_await wf.saga("first", weft::sql(db)(&enter), weft::sql(db)(&take_back), std::string("first"));
    if (!well)
        throw weft::failure("no");
}

void                 undo(std::string) { }
weft::workflow<void> fails_half_way(weft::context& wf, weft::database& db, std::string what)
{
    co_await wf.saga(weft::named("half").undo_failed(), weft::sql(db)(&refuse), &undo, what);
}

struct shop
{
    std::unique_ptr<weft::database> db;

    void open(environment& env)
    {
        if (db)
            return;
        auto const described = env.store().describe();
        db = std::make_unique<weft::database>("sqlite://" + described.substr(described.find(' ') + 1));
        db->run([](soci::session& sql) { sql << "CREATE TABLE ledger (id INTEGER PRIMARY KEY, what TEXT)"; });
    }
    std::vector<std::string> ledger()
    {
        return db->read([](soci::session& sql) {
            std::vector<std::string>        all;
            soci::rowset<std::string> const rows = (sql.prepare << "SELECT what FROM ledger ORDER BY id");
            for (auto const& what : rows)
                all.push_back(what);
            return all;
        });
    }
};

struct in_one_database
{
    using world = shop;
    std::string workflow;

    void arrange(environment& env, shop& s) const
    {
        s.open(env);
        env.add("commits", &commits, std::ref(*s.db));
        env.add("rolls-back", &rolls_back, std::ref(*s.db));
        env.add("tells", &tells, std::ref(*s.db));
    }
    void act(environment& env, shop&) const
    {
        if (workflow == "tells")
            env.workflow<void(bool)>(workflow).submit("g1"_gid, false);
        else
            env.workflow<int(std::string)>(workflow).submit("g1"_gid, std::string("input"));
    }
};

weft::testing::crash_report sweep(std::string workflow, std::function<void(shop&)> check)
{
    weft::testing::crash_options options;
    options.environment.open_store = &simulation::open_sqlite;
    auto const report = weft::testing::crash_everywhere(in_one_database{workflow}, std::move(check), options);
    std::cout << "same database, " << workflow << ": " << report << '\n';
    return report;
}

TEST(SameDatabase, NeedsOneWriteForAStep)
{
    weft::testing::environment_options options;
    options.open_store = &simulation::open_sqlite;
    environment env(options);
    shop        s;
    in_one_database{"commits"}.arrange(env, s);
    env.engine();
    env.settle();
    auto const before = env.writes();
    EXPECT_EQ(env.workflow<int(std::string)>("commits").execute("g1"_gid, std::string("input")).value(), 3);
    EXPECT_EQ(env.writes() - before, 6u) << "create; three operations; the decision; the confirmation with the end";
    auto const row = env.query("g1"_gid).value();
    EXPECT_THAT(row.journal, ::testing::Not(::testing::HasSubstr("prepared")))
        << "an operation that commits with its own entry needs no intent";
}

// A barrier would take its cancel for the undo of something that never came.
TEST(SameDatabase, TellsHowItEndedWhicheverWayItWent)
{
    weft::testing::environment_options options;
    options.open_store = &simulation::open_sqlite;
    environment env(options);
    shop        s;
    in_one_database{"tells"}.arrange(env, s);
    EXPECT_TRUE(env.workflow<void(bool)>("tells").execute("g1"_gid, true).has_value());
    EXPECT_FALSE(env.workflow<void(bool)>("tells").execute("g2"_gid, false).has_value());
    EXPECT_THAT(s.ledger(), ElementsAre("first", "notice", "first", "not first", "notice"));
}

TEST(SameDatabase, TellsItOnceWhereverItCrashes)
{
    auto const report = sweep("tells", [](shop& s) { EXPECT_THAT(s.ledger(), ElementsAre("first", "not first", "notice")); });
    EXPECT_GT(report.cases(), 10u);
}

TEST(SameDatabase, UndoesABranchThatFailedIfItIsToldTo)
{
    weft::testing::environment_options options;
    options.open_store = &simulation::open_sqlite;
    environment env(options);
    shop        s;
    s.open(env);
    auto const flow = env.add("fails-half-way", &fails_half_way, std::ref(*s.db));
    EXPECT_FALSE(flow.execute("g1"_gid, std::string("what")).has_value());
    EXPECT_EQ(env.calls().back(), "half/compensate");
}

class SameDatabaseEnded : public ::testing::TestWithParam<std::pair<char const*, wrong_operation>>
{ };

TEST_P(SameDatabaseEnded, ByAnOperationPausesItAndTheOthersDoNotNotice)
{
    weft::testing::environment_options options;
    options.open_store = &simulation::open_sqlite;
    environment     env(options);
    shop            s;
    wrong_operation wrong = GetParam().second;
    s.open(env);
    auto const the_goes_wrong = env.add("goes-wrong", &goes_wrong, std::ref(*s.db), std::cref(wrong));
    auto const the_goes_right = env.add("goes-right", &goes_right, std::ref(*s.db));
    the_goes_right.submit("g1"_gid, std::string("g1"));
    the_goes_wrong.submit("g2"_gid, std::string("g2"));
    the_goes_right.submit("g3"_gid, std::string("g3"));
    env.settle();
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::succeed);
    EXPECT_EQ(env.query("g3"_gid)->status, weft::status::succeed);
    auto const bad = env.query("g2"_gid).value();
    EXPECT_EQ(bad.status, weft::status::prepared);
    EXPECT_THAT(bad.paused_reason, ::testing::HasSubstr("ended while it ran"));
    EXPECT_THAT(s.ledger(), ::testing::UnorderedElementsAre("g1", "g3"));
}

void                        says_no_in_latin_1(soci::session&) { throw weft::failure("caf\xe9"); }
weft::workflow<std::string> hears_no_in_latin_1(weft::context& wf, weft::database& db)
{
    std::string reason;
    try
    {
        co_await wf.step("no", weft::sql(db)(&says_no_in_latin_1));
    }
    catch (weft::failure const& no)
    {
        reason = no.reason();
    }
    co_return reason;
}

TEST(SameDatabase, MakesAReasonReadable)
{
    weft::testing::environment_options options;
    options.open_store = &simulation::open_sqlite;
    options.engine.replay_always = true;
    environment env(options);
    shop        s;
    s.open(env);
    auto const hears_no = env.add("hears-no", &hears_no_in_latin_1, std::ref(*s.db));
    EXPECT_EQ(hears_no.execute("g1"_gid).value(), "caf?");
}

void                 add_child(soci::session& sql) { sql << "INSERT INTO child VALUES (77)"; }
weft::workflow<void> adds_child(weft::context& wf, weft::database& db)
{
    auto const once = weft::retry_policy{.attempts = 1, .then = weft::retry_policy::exhausted::roll_back};
    co_await wf.step(weft::named("child").retry(once), weft::sql(db)(&add_child));
}

weft::workflow<void> reserves_twice(weft::context& wf, weft::database& db, std::string)
{
    co_await wf.tcc("elsewhere", &nothing, &nothing, &nothing);
    co_await wf.tcc("here", weft::sql(db)(&enter), weft::sql(db)(&enter), weft::sql(db)(&take_back), std::string("here"));
}

// The last confirmation commits together with the final status, unless another one was refused.
TEST(SameDatabase, ForgetsNoConfirmationThatWasRefusedBeforeTheLastOne)
{
    weft::testing::environment_options options;
    options.open_store = &simulation::open_sqlite;
    environment env(options);
    shop        our;
    our.open(env);
    auto const flow = env.add("reserves twice", &reserves_twice, std::ref(*our.db));
    env.on("elsewhere", weft::operation::confirm).fails("card expired").runs();
    flow.submit("g1"_gid, std::string());
    env.finish();
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::submitted);
    EXPECT_THAT(env.query("g1"_gid)->paused_reason, ::testing::HasSubstr("was refused: card expired"));
}

int                  asked = 0;
void                 is_down(soci::session&, std::string) { ++asked, throw std::runtime_error("down"); }
weft::workflow<void> asks(weft::context& wf, weft::database& db, std::string what)
{
    co_await wf.step("ask", weft::sql(db)(&is_down), what);
}

TEST(SameDatabase, AsksAgainAsOftenAsThePolicySays)
{
    weft::testing::environment_options options;
    options.open_store = &simulation::open_sqlite;
    options.engine.retry = {.initial = std::chrono::milliseconds(10), .attempts = 3};
    environment env(options);
    shop        our;
    our.open(env);
    asked = 0;
    auto const flow = env.add("asks", &asks, std::ref(*our.db));
    flow.submit("g1"_gid, std::string("what"));
    env.advance(std::chrono::minutes(1));
    EXPECT_EQ(asked, 3);
    EXPECT_THAT(env.query("g1"_gid)->paused_reason, ::testing::HasSubstr("sent 3 times"));
}

std::map<std::string, int> tries;
void                       is_down_twice(soci::session& sql, std::string what)
{
    if (++tries[what] <= 2)
        throw std::runtime_error("down");
    enter(sql, what);
}
weft::workflow<void> asks_two(weft::context& wf, weft::database& db)
{
    co_await wf.step("first", weft::sql(db)(&is_down_twice), std::string("first"));
    co_await wf.step("second", weft::sql(db)(&is_down_twice), std::string("second"));
}

TEST(SameDatabase, BeginsToCountAnewWithEachOperation)
{
    weft::testing::environment_options options;
    options.open_store = &simulation::open_sqlite;
    options.engine.retry = {.initial = std::chrono::milliseconds(10), .attempts = 3};
    environment env(options);
    shop        our;
    our.open(env);
    tries.clear();
    auto const flow = env.add("asks two", &asks_two, std::ref(*our.db));
    flow.submit("g1"_gid);
    env.finish();
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::succeed) << env.query("g1"_gid)->paused_reason;
    EXPECT_THAT(our.ledger(), ElementsAre("first", "second"));
}

TEST(SameDatabase, EnforcesForeignKeysWhereThatWasAskedFor)
{
    weft::testing::environment_options options;
    options.open_store = &simulation::open_sqlite;
    environment    env(options);
    auto const     described = env.store().describe();
    weft::database db("sqlite://" + described.substr(described.find(' ') + 1) + "?foreign_keys=on");
    db.run([](soci::session& sql) {
        sql << "CREATE TABLE parent (id INTEGER PRIMARY KEY)";
        sql << "CREATE TABLE child (parent INTEGER REFERENCES parent(id))";
    });
    auto const flow = env.add("adds-child", &adds_child, std::ref(db));
    auto const result = flow.execute("g1"_gid);
    ASSERT_FALSE(result);
    EXPECT_THAT(result.error().reason(), ::testing::HasSubstr("FOREIGN KEY"));
}

TEST(SameDatabase, KeepsWhatWasRecordedBeforeAnOperationThatPausesIt)
{
    weft::testing::environment_options options;
    options.open_store = &simulation::open_sqlite;
    environment env(options);
    shop        s;
    s.open(env);
    auto const goes_wrong = env.add("goes-wrong", &goes_wrong_after_a_no, std::ref(*s.db));
    goes_wrong.submit("g1"_gid, std::string("g1"));
    env.settle();
    auto const row = env.query("g1"_gid).value();
    EXPECT_THAT(row.paused_reason, ::testing::HasSubstr("ended while it ran"));
    EXPECT_THAT(row.journal, ::testing::HasSubstr("\"asked\"")) << "its outcome was known before";
}

// On real threads: the store is at work on the operation when its engine stops and forgets it.
std::promise<void> begun, let_go;
void               linger(soci::session& sql, std::string what)
{
    enter(sql, what);
    begun.set_value();
    let_go.get_future().wait_for(std::chrono::seconds(20));
}
weft::workflow<void> lingers(weft::context& wf, weft::database& db, std::string what)
{
    co_await wf.step("linger", weft::sql(db)(&linger), what);
}

TEST(SameDatabase, LetsAnOperationEndThoughItsEngineHasStopped)
{
    auto const     store = simulation::open_sqlite(weft::system_clock());
    auto const     described = store->describe();
    weft::database db("sqlite://" + described.substr(described.find(' ') + 1));
    db.run([](soci::session& sql) { sql << "CREATE TABLE ledger (id INTEGER PRIMARY KEY, what TEXT)"; });
    {
        weft::host host(*store);
        auto const flow = host.engine().add("lingers", &lingers, std::ref(db));
        host.start();
        flow.submit("g1"_gid, std::string("g1"), weft::blocking);
        ASSERT_EQ(begun.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready);
        auto stopped = host.engine().stop(std::chrono::milliseconds(0), boost::asio::use_future);
        for (auto const until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
             host.engine().in_flight().transactions > 0 && std::chrono::steady_clock::now() < until;)
            std::this_thread::yield();
        EXPECT_EQ(host.engine().in_flight().transactions, 0u) << "it waits for nothing";
        let_go.set_value();
        EXPECT_EQ(stopped.wait_for(std::chrono::seconds(20)), std::future_status::ready);
    }
    auto const row = store->find("g1", true).value();
    auto const entered = db.read([](soci::session& sql) {
        int n = 0;
        sql << "SELECT count(*) FROM ledger", soci::into(n);
        return n;
    });
    EXPECT_EQ(entered, row.journal.find("linger") == std::string::npos ? 0 : 1) << "both or neither";
}

INSTANTIATE_TEST_SUITE_P(EveryWay, SameDatabaseEnded,
                         ::testing::Values(std::pair("Commit", &commit_everything), std::pair("Rollback", &roll_back_everything),
                                           std::pair("WorkAfterARollback", &escape), std::pair("HiddenCommit", &hide_the_end)),
                         [](auto const& way) { return std::string(way.param.first); });

TEST(SameDatabase, RecordsWhatAnOperationSaidWhenItWasDoneAgainWithoutTheOneThatBrokeTheBatch)
{
    weft::testing::environment_options options;
    options.open_store = &simulation::open_sqlite;
    environment     env(options);
    shop            s;
    wrong_operation wrong = &commit_everything;
    s.open(env);
    auto const the_goes_wrong = env.add("goes-wrong", &goes_wrong, std::ref(*s.db), std::cref(wrong));
    auto const the_gets_a_number = env.add("gets-a-number", &gets_a_number, std::ref(*s.db));
    numbers = 0;
    the_gets_a_number.submit("g1"_gid, std::string("g1"));
    the_goes_wrong.submit("g2"_gid, std::string("g2"));
    env.settle();
    ASSERT_EQ(numbers, 2) << "it ran in a batch that was undone, and again";
    auto const row = env.query("g1"_gid).value();
    EXPECT_EQ(row.status, weft::status::succeed);
    EXPECT_EQ(row.result, "2");
    EXPECT_THAT(s.ledger(), ElementsAre("g1"));
}

TEST(SameDatabase, WarnsOfAnOperationThatKeepsAllOthersWaiting)
{
    std::ostringstream                 log;
    weft::testing::environment_options options;
    options.open_store = &simulation::open_sqlite;
    options.engine.logger = std::make_shared<spdlog::logger>("weft", std::make_shared<spdlog::sinks::ostream_sink_mt>(log));
    environment env(options);
    shop        s;
    s.open(env);
    slow_clock = &env.clock();
    auto const flow = env.add("dawdles", &dawdles, std::ref(*s.db));
    flow.execute("g1"_gid, std::string("g1"));
    EXPECT_THAT(log.str(), ::testing::HasSubstr("gid=g1 branch=01: \"dawdle\" took 150 ms in the store's own transaction"));
}

TEST(SameDatabase, DoesEverythingOnceWhereverItCrashes)
{
    auto const report = sweep("commits", [](shop& s) { EXPECT_THAT(s.ledger(), ElementsAre("first", "second", "third", "third")); });
    EXPECT_GT(report.cases(), 0u);
}

TEST(SameDatabase, UndoesEverythingOnceWhereverItCrashes)
{
    auto const report =
        sweep("rolls-back", [](shop& s) { EXPECT_THAT(s.ledger(), ElementsAre("first", "second", "not second", "not first")); });
    EXPECT_GT(report.cases(), 0u);
}

}  // namespace same_database_test
