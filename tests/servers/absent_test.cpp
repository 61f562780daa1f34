// A process that starts while its participants are down: it serves what it can, says what is the matter, and goes on when they are there.
#include "tests/support/cutting_proxy.hpp"
#include "tests/support/servers.hpp"

#include <weft/sql.hpp>
#include <weft/weft.hpp>
#include <weft/xa.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>

namespace absent_test {

using namespace std::chrono_literals;
using namespace weft::literals;
using testing::HasSubstr;
using testing::Not;

int  elsewhere() { return 7; }
void note(soci::session& sql, std::string const& what) { sql << "INSERT INTO ledger (what) VALUES (:w)", soci::use(what); }
void forget(soci::session& sql, std::string const& what) { sql << "DELETE FROM ledger WHERE what = :w", soci::use(what); }

weft::workflow<int> needs_nobody(weft::context& wf) { co_return co_await wf.step("elsewhere", &elsewhere); }

weft::workflow<void> notes(weft::context& wf, weft::database& db, weft::database& bank, std::string what)
{
    co_await wf.saga("note", weft::sql(db)(&note), weft::sql(db)(&forget), what);
    auto const again = what + " again";
    co_await wf.xa("charge", bank, &note, again);
}

class Absent : public testing::TestWithParam<std::string>
{
protected:
    server_database              here{GetParam()};
    std::unique_ptr<weft::store> store = weft::make_memory_store();
};

INSTANTIATE_TEST_SUITE_P(, Absent, testing::Values("postgres", "mysql"), [](auto const& i) { return i.param; });

TEST_P(Absent, ParticipantsKeepNobodyFromStarting)
{
    here.execute("CREATE TABLE ledger (what varchar(100))");
    unsigned short const port = cutting_proxy(port_of(here.url())).port();  // nobody listens there any more
    auto const           url = at_port(port, here.url("?connections=3"));
    weft::database       db(url);
    weft::database       bank(url);
    std::mutex           mutex;
    std::string          said;
    weft::engine_options options;
    options.retry = {.initial = 50ms, .cap = 200ms};
    options.trouble_after = 2;
    options.sweep = 200ms;
    options.on_trouble = [&](weft::trouble const& t) {
        std::lock_guard lock(mutex);
        said = t.text;
    };
    weft::host host(*store, options);
    auto const the_notes = host.engine().add("notes", &notes, std::ref(db), std::ref(bank));
    auto const the_needs_nobody = host.engine().add("needs-nobody", &needs_nobody);
    host.engine().add(bank);
    host.start();

    std::string const what = "one";
    the_notes.submit("g1"_gid, what, weft::blocking);
    EXPECT_EQ(the_needs_nobody.execute("g2"_gid, weft::within(20s), weft::blocking), 7);
    EXPECT_TRUE(eventually([&] {
        std::lock_guard lock(mutex);
        return !said.empty();
    }));
    {
        std::lock_guard lock(mutex);
        EXPECT_THAT(said, HasSubstr(":" + std::to_string(port) + "/")) << "it names the server";
    }
    EXPECT_THROW(db.connect(), std::runtime_error);
    EXPECT_THROW(bank.connect(), std::runtime_error);
    EXPECT_THROW(db.run([](soci::session&) {}), std::runtime_error);

    cutting_proxy now(port_of(here.url()), port);
    the_notes.execute("g1"_gid, what, weft::within(20s), weft::blocking);
    EXPECT_EQ(here.value("SELECT count(*) FROM ledger"), "2");
    db.connect();
    bank.connect();
}

// Many operations come first at the same moment: one of them makes the barrier's table, and the others wait for it.
TEST_P(Absent, ItsTableIsMadeOnceByWhoeverComesFirst)
{
    here.execute("CREATE TABLE ledger (what varchar(100))");
    weft::database db(here.url("?connections=8"));
    weft::database bank(here.url("?xa_connections=8"));
    weft::host     host(*store);
    auto const     flow = host.engine().add("notes", &notes, std::ref(db), std::ref(bank));
    host.engine().add(bank);
    host.start();
    for (int i = 0; i < 50; ++i)
        flow.submit(weft::gid("g" + std::to_string(i)), std::to_string(i), weft::blocking);
    EXPECT_TRUE(eventually([&] { return here.value("SELECT count(*) FROM ledger") == "100"; }));
}

}  // namespace absent_test
