// Rows P14, B5 and B6: a client in C++ with a database of its own, and weftd, which asks it what it meant.
#include "tests/protocol/world.hpp"

#include <weft/patterns.hpp>
#include <weft/remote_coordinator.hpp>
#include <weft/send_message.hpp>
#include <weft/sql.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

namespace protocol {
namespace message_test {

namespace asio = boost::asio;

void place(soci::session& sql) { sql << "insert into orders values (1)"; }
void refuse(soci::session& sql)
{
    place(sql);
    throw weft::failure("no such article");
}

class Senders : public Protocol
{
protected:
    Senders()
    {
        orders.run([](soci::session& sql) { sql << "create table orders (id integer)"; });
        w.at.serve("/was-meant", [this](services::heard const& c) {
            return weft::message_committed(orders, c.query.at("gid")) ? answer{200} : answer{409};
        });
        m.add(w.at.url("/ship"), 1).check_back(w.at.url("/was-meant")).timeout_to_fail(1s);
        to = weft::connect(io.get_executor(), "http://127.0.0.1:" + std::to_string(w.port()) + "/api/dtmsvr");
        thread = std::thread([this] { io.run(); });
    }
    ~Senders() override
    {
        work.reset();
        thread.join();
    }

    void do_and_submit(void (*f)(soci::session&)) { asio::co_spawn(io, weft::do_and_submit(*to, m, orders, f), asio::use_future).get(); }
    void commit_alone()  // and die
    {
        asio::co_spawn(io, weft::detail::in_local_transaction(orders, "g1", &place), asio::use_future).get();
    }
    int count()
    {
        return orders.read([](soci::session& sql) {
            int n = 0;
            sql << "select count(*) from orders", soci::into(n);
            return n;
        });
    }

    // In the store's own database, beside weftd's tables and with the barrier's table there, if that is on a server.
    temporary_directory                                             directory;
    weft::database                                                  orders{w.database() ? w.database()->url() : directory.url("orders.db")};
    weft::msg                                                       m{"g1"};
    asio::io_context                                                io;
    std::optional<asio::executor_work_guard<asio::any_io_executor>> work{io.get_executor()};
    std::unique_ptr<weft::coordinator>                              to;
    std::thread                                                     thread;
};
INSTANTIATE_TEST_SUITE_P(Stores, Senders, every_store_of_weftd, name_of_store);

TEST_P(Senders, P14_SendWhatTheirLocalTransactionCommits)
{
    do_and_submit(&place);
    EXPECT_TRUE(w.becomes("g1", "succeed"));
    EXPECT_EQ(w.at.count("01 action /ship"), 1u);
    EXPECT_EQ(count(), 1);
}

TEST_P(Senders, P14_SendNothingIfItSaysNo)
{
    m.timeout_to_fail(60s);  // nobody asks meanwhile, however busy the machine is
    EXPECT_THROW(do_and_submit(&refuse), weft::failure);
    EXPECT_EQ(w.status("g1"), "failed");
    EXPECT_EQ(count(), 0);
    EXPECT_THAT(w.at.seen(), IsEmpty());
}

TEST_P(Senders, B5_AreAskedWhenTheyDiedBehindTheirCommit)
{
    m.prepare(*to, weft::blocking);
    commit_alone();
    EXPECT_TRUE(w.becomes("g1", "succeed"));
    EXPECT_EQ(w.at.count("00 msg /was-meant"), 1u);
    EXPECT_EQ(w.at.count("01 action /ship"), 1u);
}

TEST_P(Senders, B5_CannotCommitAnyMoreOnceTheyHaveSaidNo)
{
    m.prepare(*to, weft::blocking);
    EXPECT_TRUE(w.becomes("g1", "failed"));
    EXPECT_THROW(commit_alone(), weft::failure);
    EXPECT_EQ(count(), 0);
    EXPECT_EQ(w.at.count("01 action /ship"), 0u);
}

TEST_P(Senders, B6_AreToldThatTheyHaveDoneItBefore)
{
    do_and_submit(&place);
    try
    {
        do_and_submit(&place);
        FAIL();
    }
    catch (weft::misuse const&)
    {
        // From preparing what is submitted already; or, if that is still under way, from the barrier.
    }
    try
    {
        commit_alone();
        FAIL();
    }
    catch (weft::misuse const& e)
    {
        EXPECT_THAT(e.what(), HasSubstr("DUPLICATED"));
    }
    EXPECT_EQ(count(), 1);
    EXPECT_TRUE(w.becomes("g1", "succeed"));
    EXPECT_EQ(w.at.count("01 action /ship"), 1u);
}

}  // namespace message_test
}  // namespace protocol
