// Sagas, messages, TCC and XA from C++: the same program with the coordinator in this process, and elsewhere.
#include "tests/support/coordinator.hpp"
#include "tests/support/http_server.hpp"
#include "tests/support/temporary_directory.hpp"

#include <weft/live_patterns.hpp>
#include <weft/patterns.hpp>
#include <weft/remote_coordinator.hpp>
#include <weft/send_message.hpp>
#include <weft/sql.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/describe/class.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

namespace builders_test {

using namespace std::chrono_literals;
namespace asio = boost::asio;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

struct transfer
{
    int cents = 0;
};
BOOST_DESCRIBE_STRUCT(transfer, (), (cents))

// Participants: what was called, "01 action /out {"cents":5}".
class bank
{
public:
    std::string at(std::string const& path, unsigned status = 200, std::string body = {})
    {
        http_.on(path, [this, path, status, body](http_server::request const& r) {
            auto const  url = boost::urls::parse_uri_reference(r.target()).value();
            std::string branch, op, more;
            for (auto const& p : url.params())
                (p.key == "branch_id" ? branch : p.key == "op" ? op : more) = p.value;
            std::lock_guard lock(mutex_);
            heard_.push_back(branch + ' ' + op + ' ' + path + (r.body().empty() ? "" : ' ' + r.body()));
            headers_.push_back(std::string(r["x-tenant"]));
            http_server::answer a;
            a.status = status;
            a.body = body;
            return a;
        });
        return http_.url(path);
    }
    std::vector<std::string> heard() const
    {
        std::lock_guard lock(mutex_);
        return heard_;
    }
    std::vector<std::string> headers() const
    {
        std::lock_guard lock(mutex_);
        return headers_;
    }
    http_server& http() { return http_; }

private:
    mutable std::mutex       mutex_;
    std::vector<std::string> heard_, headers_;
    http_server              http_;  // last: its thread uses the others
};

bool eventually(std::function<bool()> const& what)
{
    auto const end = std::chrono::steady_clock::now() + 20s;
    while (!what())
    {
        if (std::chrono::steady_clock::now() > end)
            return false;
        std::this_thread::sleep_for(5ms);
    }
    return true;
}

class Builders : public ::testing::TestWithParam<std::string>
{
protected:
    Builders()
    {
        if (GetParam() == "elsewhere")
            elsewhere = weft::connect(io.get_executor(), server.address());
        thread = std::thread([this] { io.run(); });
    }
    ~Builders() override
    {
        work.reset();
        thread.join();
    }

    bool               remote() const { return GetParam() == "elsewhere"; }
    weft::coordinator& to() { return elsewhere ? *elsewhere : static_cast<weft::coordinator&>(server.manager()); }

    weft::status status(std::string const& gid) { return to().query(weft::gid(gid), weft::blocking).value().status; }

    template <class T>
    T run(asio::awaitable<T> a)
    {
        return asio::co_spawn(io, std::move(a), asio::use_future).get();
    }

    // As an administrator does.
    void subscribe(std::string const& topic, std::string const& url)
    {
        class exchange final : public weft::http_exchange
        {
        public:
            void replied(weft::http_reply r) noexcept override { status.set_value(r.status); }
            void failed(std::string) noexcept override { status.set_value(0); }

            std::promise<unsigned> status;
        };
        auto const e = std::make_shared<exchange>();
        e->request.method = "GET";
        e->request.url = server.address() + "/subscribe?topic=" + topic + "&url=" + url;
        through->send(e);
        EXPECT_EQ(e->status.get_future().get(), 200u);
    }

    coordinator                                                     server;
    bank                                                            b;
    asio::io_context                                                io;
    std::optional<asio::executor_work_guard<asio::any_io_executor>> work{io.get_executor()};
    std::unique_ptr<weft::coordinator>                              elsewhere;
    std::shared_ptr<weft::transport>                                through = weft::make_http_transport();
    std::thread                                                     thread;
    transfer                                                        what{5};
    std::vector<std::string>                                        xa_calls;
};

INSTANTIATE_TEST_SUITE_P(, Builders, ::testing::Values("here", "elsewhere"), [](auto const& i) { return i.param; });

TEST_P(Builders, MakeASaga)
{
    auto&      coordinator = to();
    auto const out = b.at("/out"), out_undo = b.at("/out-undo"), in = b.at("/in"), in_undo = b.at("/in-undo");
    //[saga_builder
    weft::saga pay("g1");
    pay.add(out, out_undo, what).add(in, in_undo, what).header("x-tenant", "acme");
    auto const now = pay.submit_and_wait(coordinator, weft::blocking);
    //]
    EXPECT_EQ(now.status, weft::status::succeed);
    EXPECT_THAT(b.heard(), ElementsAre("01 action /out {\"cents\":5}", "02 action /in {\"cents\":5}"));
    EXPECT_THAT(b.headers(), ElementsAre("acme", "acme"));
}

TEST_P(Builders, SayHowASagaStandsAndNotThatItWasRefused)
{
    weft::saga pay("g1");
    pay.add(b.at("/out"), b.at("/out-undo"), what).add(b.at("/in", 409, "no such account"), b.at("/in-undo"), what);
    auto const now = pay.submit_and_wait(to(), weft::blocking);
    EXPECT_EQ(now.status, weft::status::failed);
    EXPECT_THAT(now.reason, HasSubstr("no such account"));
    EXPECT_THAT(b.heard(), ElementsAre("01 action /out {\"cents\":5}", "02 action /in {\"cents\":5}",
                                       "02 compensate /in-undo {\"cents\":5}", "01 compensate /out-undo {\"cents\":5}"));

    weft::saga stuck("g2");
    stuck.add(b.at("/down", 500));
    EXPECT_EQ(stuck.submit_and_wait(to(), weft::blocking).status, weft::status::submitted);
}

TEST_P(Builders, NeverAnswerWithWhatAnotherOfThatNameHasDone)
{
    weft::saga first("g1"), second("g1");
    first.add(b.at("/out"), "", what).submit_and_wait(to(), weft::blocking);
    try
    {
        second.add(b.at("/in"), "", what).submit_and_wait(to(), weft::blocking);
        FAIL();
    }
    catch (weft::misuse const& e)
    {
        EXPECT_EQ(e.which(), weft::misuse::code::wrong_status);
    }
    EXPECT_EQ(b.heard().size(), 1u);
}

TEST_P(Builders, TakeNoGidThatWouldBeChanged)
{
    if (!remote())
        return;
    weft::saga pay("order;1");
    EXPECT_THROW(pay.add(b.at("/out")).submit(to(), weft::blocking), weft::misuse);
    EXPECT_THAT(b.heard(), IsEmpty());
}

TEST_P(Builders, OrderTheStepsOfAConcurrentSaga)
{
    weft::saga pay("g1");
    pay.add(b.at("/a")).add(b.at("/b")).add(b.at("/c")).concurrent().after(0, {1, 2}).after(1, {2});
    EXPECT_EQ(pay.submit_and_wait(to(), weft::blocking).status, weft::status::succeed);
    EXPECT_THAT(b.heard(), ElementsAre("03 action /c", "02 action /b", "01 action /a"));
}

TEST_P(Builders, MakeAMessage)
{
    weft::msg m("g1");
    m.add(b.at("/one"), what).add(b.at("/two"), what).request_timeout(5s);
    m.prepare(to(), weft::blocking);
    EXPECT_EQ(status("g1"), weft::status::prepared);
    m.submit(to(), weft::blocking);
    EXPECT_TRUE(eventually([&] { return status("g1") == weft::status::succeed; }));
    EXPECT_THAT(b.heard(), ElementsAre("01 action /one {\"cents\":5}", "02 action /two {\"cents\":5}"));

    weft::msg dropped("g2");
    dropped.add(b.at("/three"), what).prepare(to(), weft::blocking);
    to().abort(weft::gid("g2"), "msg", "not needed", weft::blocking);
    EXPECT_EQ(status("g2"), weft::status::failed);
    EXPECT_EQ(to().query(weft::gid("g2"), weft::blocking)->reason, "not needed");
}

TEST_P(Builders, ReachSubscribers)
{
    weft::msg m("g1");
    if (remote())
    {
        subscribe("orders", b.at("/mail"));
        subscribe("orders", b.at("/stock"));
        m.add_topic("orders", what);
    }
    else
        m.add_subscribers({b.at("/mail"), b.at("/stock")}, what);
    EXPECT_EQ(m.submit_and_wait(to(), weft::blocking).status, weft::status::succeed);
    EXPECT_THAT(b.heard(), ElementsAre("01-01 action /mail {\"cents\":5}", "01-02 action /stock {\"cents\":5}"));

    // The other way is refused, not left to fail for ever.
    weft::msg other("g2");
    if (remote())
        other.add_subscribers({b.at("/mail")}, what);
    else
        other.add_topic("orders", what);
    EXPECT_THROW(other.submit(to(), weft::blocking), weft::misuse);
}

//[tcc_builder
asio::awaitable<void> pay_tcc(weft::tcc& t, std::string bank, transfer what)
{
    co_await t.branch(bank + "/out/try", bank + "/out/confirm", bank + "/out/cancel", what);
    co_await t.branch(bank + "/in/try", bank + "/in/confirm", bank + "/in/cancel", what);
}
//]

asio::awaitable<void> lead(weft::coordinator& coordinator, std::shared_ptr<weft::transport> transport, std::string bank, transfer what)
{
    //[tcc_run
    co_await weft::run_tcc(coordinator, transport, "g1", &pay_tcc, bank, what);  // prepared, submitted; aborted if pay_tcc throws
    //]
}

TEST_P(Builders, LeadATccOfTwoBranches)
{
    for (auto const* path : {"/out/try", "/out/confirm", "/out/cancel", "/in/try", "/in/confirm", "/in/cancel"})
        b.at(path);
    run(lead(to(), through, b.http().url(""), what));
    EXPECT_TRUE(eventually([&] { return status("g1") == weft::status::succeed; }));
    EXPECT_EQ(b.heard().size(), 4u);
}

asio::awaitable<void> pay_by_tcc(weft::tcc& t, bank& b, bool second_says_no)
{
    transfer const what{5};
    auto const     first = co_await t.branch(b.at("/out/try", 200, "\"reserved\""), b.at("/out/confirm"), b.at("/out/cancel"), what);
    EXPECT_EQ(first, "\"reserved\"");
    auto const status = second_says_no ? 409u : 200u;
    co_await t.branch(b.at("/in/try", status, "closed"), b.at("/in/confirm"), b.at("/in/cancel"), what);
}

TEST_P(Builders, LeadATcc)
{
    run(weft::run_tcc(to(), through, "g1", &pay_by_tcc, std::ref(b), false));
    EXPECT_TRUE(eventually([&] { return status("g1") == weft::status::succeed; }));
    EXPECT_THAT(b.heard(), ElementsAre("01 try /out/try {\"cents\":5}", "02 try /in/try {\"cents\":5}",
                                       "02 confirm /in/confirm {\"cents\":5}", "01 confirm /out/confirm {\"cents\":5}"));
}

TEST_P(Builders, AbortATccWhoseTrySaysNo)
{
    try
    {
        run(weft::run_tcc(to(), through, "g1", &pay_by_tcc, std::ref(b), true));
        FAIL();
    }
    catch (weft::failure const& e)
    {
        EXPECT_EQ(e.reason(), "closed");
        EXPECT_EQ(e.branch_id(), "02");
    }
    EXPECT_TRUE(eventually([&] { return status("g1") == weft::status::failed; }));
    EXPECT_THAT(b.heard(), ElementsAre("01 try /out/try {\"cents\":5}", "02 try /in/try {\"cents\":5}",
                                       "02 cancel /in/cancel {\"cents\":5}", "01 cancel /out/cancel {\"cents\":5}"));
}

asio::awaitable<void> pay_by_xa_at(weft::xa_transaction& x, std::string url)
{
    transfer const what{5};
    co_await x.branch(url, what);
}

TEST_P(Builders, LeadAnXaTransactionIfParticipantsCanReachTheCoordinator)
{
    if (!remote())
    {
        EXPECT_THROW(run(weft::run_xa(to(), through, "g1", &pay_by_xa_at, b.at("/account"))), weft::misuse);
        EXPECT_TRUE(eventually([&] { return status("g1") == weft::status::failed; }));
        return;
    }
    // A participant as dtm's are: the action registers the address that it was given.
    b.http().on("/account", [this](http_server::request const& r) {
        auto const                         url = boost::urls::parse_uri_reference(r.target()).value();
        std::map<std::string, std::string> q;
        for (auto const& p : url.params())
            q[p.key] = p.value;
        xa_calls.push_back(q["op"]);
        if (q["op"] == "action")
        {
            weft::branch_op commit, rollback;
            commit.branch_id = rollback.branch_id = q["branch_id"];
            commit.op = "commit";
            rollback.op = "rollback";
            commit.url = rollback.url = q["phase2_url"];
            EXPECT_EQ(q["dtm"], server.address());
            to().register_branch(weft::gid(q["gid"]), "xa", {rollback, commit}, weft::blocking);
        }
        return http_server::answer{};
    });
    run(weft::run_xa(to(), through, "g1", &pay_by_xa_at, b.http().url("/account")));
    EXPECT_TRUE(eventually([&] { return status("g1") == weft::status::succeed; }));
    EXPECT_THAT(xa_calls, ElementsAre("action", "commit"));
}

TEST_P(Builders, SayWhatIsWrong)
{
    weft::saga nameless("");
    EXPECT_THROW(nameless.submit(to(), weft::blocking), weft::misuse);
    weft::msg m("g1");
    m.add(b.at("/x")).submit_and_wait(to(), weft::blocking);
    try
    {
        m.prepare(to(), weft::blocking);
        FAIL();
    }
    catch (weft::misuse const& e)
    {
        EXPECT_EQ(e.which(), weft::misuse::code::wrong_status);
        EXPECT_THAT(e.what(), HasSubstr("succeed"));
    }
    EXPECT_EQ(to().query(weft::gid("unknown"), weft::blocking), std::nullopt);
    server.stop();
    if (remote())
        try
        {
            m.submit(to(), weft::blocking);
            FAIL();
        }
        catch (weft::store_error const& e)
        {
            EXPECT_TRUE(e.in_doubt());
            EXPECT_THAT(e.what(), HasSubstr("the coordinator cannot be asked"));
        }
}

// A weftd says what is known of the write, and that is passed on; what says nothing of it leaves it in doubt.
TEST(Coordinator, ThatSaysWhatIsKnownOfAWriteIsBelieved)
{
    http_server              there;
    asio::io_context         io;
    auto const               work = asio::make_work_guard(io);
    std::thread              thread([&] { io.run(); });
    auto const               to = weft::connect(io.get_executor(), there.url("/api/dtmsvr"));
    weft::global_transaction saga;
    saga.gid = "g1";
    saga.trans_type = "saga";
    auto const told = [&](http_server::answer submitted, unsigned query_status) {
        there.on("/api/dtmsvr/submit", [submitted](http_server::request const&) { return submitted; });
        there.on("/api/dtmsvr/query", [query_status](http_server::request const&) {
            http_server::answer a;
            a.status = query_status;
            a.body = R"({"message":"not now"})";
            return a;
        });
        try
        {
            to->submit(saga, weft::blocking);
        }
        catch (weft::store_error const& e)
        {
            return std::string(to_string(e.written()));
        }
        return std::string("nothing");
    };
    auto const answer = [](unsigned status, std::string body) {
        http_server::answer a;
        a.status = status;
        a.body = std::move(body);
        return a;
    };
    EXPECT_EQ(told(answer(500, R"({"message":"no store","written":"not_written"})"), 200), "not_written");
    EXPECT_EQ(told(answer(500, R"({"message":"no store","written":"in_doubt"})"), 200), "in_doubt");
    EXPECT_EQ(told(answer(500, R"({"message":"no store"})"), 200), "in_doubt");
    EXPECT_EQ(told(answer(200, R"({"dtm_result":"SUCCESS"})"), 500), "applied") << "acknowledged, and cannot be looked at";
    io.stop();
    thread.join();
}

// --- a message with a local transaction ---------------------------------------------------------------------------------------------------

class Messages : public Builders
{
protected:
    Messages()
    {
        orders.run([](soci::session& sql) { sql << "create table orders (id integer)"; });
        b.http().on("/was-meant", [this](http_server::request const&) {
            http_server::answer answer;
            auto const          gid = "g1";
            //[message_check_back
            answer.status = weft::message_committed(orders, gid) ? 200 : 409;
            //]
            return answer;
        });
        auto const ship = b.at("/ship"), message_committed = b.http().url("/was-meant");
        //[message_builder
        m.add(ship, what).check_back(message_committed);
        //]
        m.timeout_to_fail(1s);
    }

    int count()
    {
        return orders.read([](soci::session& sql) {
            int n = 0;
            sql << "select count(*) from orders", soci::into(n);
            return n;
        });
    }

    temporary_directory directory;
    weft::database      orders{directory.url("orders.db")};
    weft::msg           m{"g1"};
};

INSTANTIATE_TEST_SUITE_P(, Messages, ::testing::Values("here", "elsewhere"), [](auto const& i) { return i.param; });

int place(soci::session& sql)
{
    sql << "insert into orders values (1)";
    return 7;
}
void refuse(soci::session& sql)
{
    sql << "insert into orders values (2)";
    throw weft::failure("no such article");
}
void fail(soci::session& sql) { sql << "insert into nowhere values (3)"; }

TEST_P(Messages, AreSentIfTheLocalTransactionIsCommitted)
{
    auto const send = [](weft::coordinator& coordinator, weft::msg shipped, weft::database& orders) -> asio::awaitable<int> {
        //[message_do_and_submit
        auto const number = co_await weft::do_and_submit(coordinator, shipped, orders, &place);  // place(soci::session&)
        //]
        co_return number;
    };
    EXPECT_EQ(run(send(to(), m, orders)), 7);
    EXPECT_TRUE(eventually([&] { return status("g1") == weft::status::succeed; }));
    EXPECT_THAT(b.heard(), ElementsAre("01 action /ship {\"cents\":5}"));
    EXPECT_EQ(count(), 1);
}

TEST_P(Messages, AreDroppedIfItSaysNo)
{
    EXPECT_THROW(run(weft::do_and_submit(to(), m, orders, refuse)), weft::failure);
    EXPECT_EQ(status("g1"), weft::status::failed);
    EXPECT_EQ(to().query(weft::gid("g1"), weft::blocking)->reason, "no such article");
    EXPECT_EQ(count(), 0);
    EXPECT_THAT(b.heard(), IsEmpty());
}

TEST_P(Messages, AreDroppedIfItFails)
{
    try
    {
        run(weft::do_and_submit(to(), m, orders, fail));
        FAIL();
    }
    catch (std::runtime_error const& e)
    {
        EXPECT_THAT(e.what(), HasSubstr("nowhere"));
    }
    EXPECT_EQ(status("g1"), weft::status::failed);
    EXPECT_THAT(b.heard(), IsEmpty());
    // And a late one cannot commit any more.
    try
    {
        run(weft::detail::in_local_transaction(orders, "g1", [](soci::session& sql) { sql << "insert into orders values (4)"; }));
        FAIL();
    }
    catch (weft::failure const& e)
    {
        EXPECT_THAT(e.reason(), HasSubstr("given up"));
    }
    EXPECT_EQ(count(), 0);
}

TEST_P(Messages, AreSentWhenTheClientDiedBehindItsCommit)
{
    m.prepare(to(), weft::blocking);
    run(weft::detail::in_local_transaction(orders, "g1", [](soci::session& sql) { sql << "insert into orders values (1)"; }));
    EXPECT_TRUE(eventually([&] { return status("g1") == weft::status::succeed; }));
    EXPECT_THAT(b.heard(), ElementsAre("01 action /ship {\"cents\":5}"));
}

TEST_P(Messages, AreDroppedWhenTheClientDiedBeforeItsCommit)
{
    m.prepare(to(), weft::blocking);
    EXPECT_TRUE(eventually([&] { return status("g1") == weft::status::failed; }));
    EXPECT_THAT(b.heard(), IsEmpty());
    EXPECT_THROW(run(weft::detail::in_local_transaction(orders, "g1", [](soci::session&) {})), weft::failure);
}

TEST_P(Messages, AreDoneOnce)
{
    run(weft::do_and_submit(to(), m, orders, place));
    weft::msg again = m;
    EXPECT_THROW(run(weft::do_and_submit(to(), again, orders, place)), weft::misuse);
    EXPECT_EQ(count(), 1);
    EXPECT_TRUE(eventually([&] { return status("g1") == weft::status::succeed; }));
    EXPECT_EQ(b.heard().size(), 1u);
}

TEST_P(Messages, NeedAnAddressForCheckingBack)
{
    weft::msg without("g2");
    without.add(b.at("/ship"), what);
    EXPECT_THROW(run(weft::do_and_submit(to(), without, orders, place)), weft::misuse);
    EXPECT_EQ(count(), 0);
    EXPECT_EQ(to().query(weft::gid("g2"), weft::blocking), std::nullopt);
}

}  // namespace builders_test
