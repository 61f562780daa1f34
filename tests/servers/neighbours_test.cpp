// Bad neighbours on a server: a row that somebody holds, a dead engine that owned very much. The others go on.
#include "tests/servers/server_store.hpp"

namespace neighbours_test {

using namespace weft::literals;
void add_one(soci::session& sql, int account) { sql << "UPDATE accounts SET balance = balance + 1 WHERE id = :id", soci::use(account); }
weft::workflow<void> pays(weft::context& wf, weft::database& db, int account) { co_await wf.step("pay", weft::sql(db)(&add_one), account); }

class Neighbours : public ServerStore
{
protected:
    std::string value(std::string const& query) const { return here.value(query); }
};

// Operations in the store's own database wait for one row; a hundred others, their writes and the heartbeats do not.
TEST_P(Neighbours, ARowThatIsHeldKeepsUpNobodyElse)
{
    auto const store = weft::open_store(here.url() + "?lock_timeout=60s");  // nobody gives his turn up by himself
    own = std::make_unique<weft::database>(here.url());
    own->run([](soci::session& sql) { sql << "CREATE TABLE accounts (id int PRIMARY KEY, balance int)"; });
    own->run([](soci::session& sql) {
        for (int i = 0; i < 20; ++i)
            sql << "INSERT INTO accounts VALUES (:i, 0)", soci::use(i);
    });
    weft::engine_options options;
    options.beat = 200ms;
    options.expiry = 2s;
    weft::host host(*store, options);
    auto const flow = host.engine().add("pays", &pays, std::ref(*own));
    host.start();
    flow.execute("first"_gid, 1, weft::within(60s), weft::blocking);
    auto const incarnation = value("SELECT k FROM kv WHERE cat = 'engine'");

    weft::detail::server_session holder(weft::detail::parse_server_url(here.url()), {}, weft::detail::server_session::purpose::participant);
    holder.execute("START TRANSACTION");
    holder.execute("UPDATE accounts SET balance = balance WHERE id = 0");
    // More than run at once as a rule, and fewer than may.
    auto const       many = static_cast<int>(store->operations_at_once() * 3 / 4);
    std::atomic<int> stuck{0}, done{0};
    for (int i = 0; i < many; ++i)
        flow.execute(weft::gid("stuck-" + std::to_string(i)), 0, [&](std::exception_ptr e) { stuck += !e; });
    auto const beats = [&] { return std::stoll(value("SELECT max(version) FROM kv WHERE cat = 'engine'")); };
    auto const before = beats();
    for (int i = 0; i < 100; ++i)
        flow.execute(weft::gid("free-" + std::to_string(i)), 1 + i % 19, [&](std::exception_ptr e) { done += !e; });
    EXPECT_TRUE(eventually([&] { return done == 100; }));
    EXPECT_TRUE(eventually([&] { return beats() >= before + 12; })) << "longer than it takes to be dead";
    EXPECT_EQ(stuck, 0);
    EXPECT_EQ(value("SELECT k FROM kv WHERE cat = 'engine'"), incarnation);
    EXPECT_TRUE(host.engine().alive(weft::blocking));
    holder.execute("COMMIT");
    EXPECT_TRUE(eventually([&] { return stuck == many; }));
    host.stop(10s);
    EXPECT_EQ(value("SELECT sum(balance) FROM accounts"), std::to_string(101 + many));
    EXPECT_EQ(value("SELECT balance FROM accounts WHERE id = 0"), std::to_string(many));
}

// What a dead engine owned is released in portions; meanwhile the engine that does it beats, and works.
TEST_P(Neighbours, WhatADeadEngineOwnedIsReleasedWhileOthersGoOn)
{
    constexpr int many = 20'000;
    auto const    store = weft::open_store(here.url());
    store->register_engine("the-dead", {});
    std::string const digits = "(SELECT 0 AS d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 "
                               "UNION SELECT 7 UNION SELECT 8 UNION SELECT 9)";
    std::string       from = "(SELECT 0 AS d UNION SELECT 1) AS a";
    for (auto const* name : {"b", "c", "e", "f"})
        from += ", " + digits + " AS " + name;
    here.execute("INSERT INTO trans_global (gid, trans_type, status, workflow, owner, ext_data, next_cron_time, options, custom_data) "
                 "SELECT concat('held-', a.d, b.d, c.d, e.d, f.d), 'workflow', 'prepared', 'elsewhere', 'the-dead', '{\"journal\":[]}', "
                 "now(), '', '' FROM " +
                 from);
    weft::engine_options options;
    options.beat = 100ms;
    options.expiry = 1s;
    auto const host = start(*store, options);
    auto const held = [&] { return std::stoi(value("SELECT count(*) FROM trans_global WHERE owner = 'the-dead'")); };
    EXPECT_EQ(held(), many);
    int i = 0;
    EXPECT_TRUE(eventually([&] {
        EXPECT_EQ(execute(*host, "g" + std::to_string(i++)), 9);
        return held() == 0;
    }));
    EXPECT_EQ(counts->of(event::taken_over), static_cast<std::uint64_t>(many));
    EXPECT_TRUE(eventually([&] { return value("SELECT count(*) FROM kv WHERE cat = 'dead engine'") == "0"; }));
    EXPECT_EQ(value("SELECT count(*) FROM kv WHERE cat = 'engine'"), "1");
    EXPECT_TRUE(host->engine().alive(weft::blocking));
    host->stop(10s);
}

INSTANTIATE_TEST_SUITE_P(, Neighbours, testing::Values("postgres", "mysql"), [](auto const& i) { return i.param; });

}  // namespace neighbours_test
