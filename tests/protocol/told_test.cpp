// What each client was told, held against what the store says in the end: the store is out of reach at any moment, and its answers get lost.
#include "tests/protocol/world.hpp"
#include "tests/support/cutting_proxy.hpp"

#include <algorithm>
#include <atomic>
#include <random>
#include <set>

namespace protocol {
namespace told_test {

class Told : public ::testing::TestWithParam<std::string>
{
protected:
    // What one request was answered, and by which verb. Each has a gid that is asked about once by this verb.
    struct word
    {
        std::string gid, verb, written;
        unsigned    status = 0;
        bool        waited = false;
    };

    static word heard(std::string const& gid, std::string const& verb, reply const& r, bool waited = false)
    {
        return {gid, verb, r["written"], r.status, waited};
    }

    reply post(std::string const& verb, object const& body) { return send(weftd.port(), "POST", "/api/dtmsvr/" + verb, text(body)); }

    object saga_of(std::string const& gid, bool fails)
    {
        object const       step{{"action", fails ? no_ : yes_}, {"compensate", yes_}};
        boost::json::array steps{step, step}, payloads{"{}", "{}"};
        return {{"gid", gid}, {"trans_type", "saga"}, {"steps", steps}, {"payloads", payloads}};
    }

    // One client: transactions one after the other, each with a gid of its own.
    void client(unsigned number, std::atomic<bool> const& enough)
    {
        std::mt19937 random(number);
        for (unsigned n = 0; !enough; ++n)
        {
            auto const gid = std::to_string(number) + "-" + std::to_string(n);
            switch (random() % 4)
            {
            case 0:
                tell(heard(gid, "submit", post("submit", saga_of(gid, false))));
                break;
            case 1:
                tell(heard(gid, "submit", post("submit", with(saga_of(gid, random() % 2 == 0), "wait_result", true)), true));
                break;
            default:
            {
                auto const tcc = reference(gid, "tcc");
                auto const prepared = post("prepare", tcc);
                tell(heard(gid, "prepare", prepared));
                if (prepared.status != 200)
                    break;
                auto const verb = random() % 2 == 0 ? "submit" : "abort";
                tell(heard(gid, verb, post(verb, tcc)));
            }
            }
        }
    }

    void tell(word w)
    {
        std::lock_guard lock(mutex_);
        told.push_back(std::move(w));
    }

    std::size_t troubles()
    {
        std::lock_guard lock(mutex_);
        return static_cast<std::size_t>(std::count_if(told.begin(), told.end(), [](word const& w) { return w.status == 500; }));
    }

    std::string status(std::string const& gid) { return database.value("SELECT status FROM trans_global WHERE gid = '" + gid + "'"); }

    server_database database{GetParam()};
    services        at;
    cutting_proxy   proxy{port_of(database.url())};
    weftd_process   weftd{through(proxy, database.url("?answer_timeout=1s&connect_timeout=1s")), "Weft: {DrainDeadline: 5}\n"};

    std::vector<word> told;

private:
    std::string yes_ = at.url("/yes"), no_ = at.url("/no");
    std::mutex  mutex_;
};

TEST_P(Told, IsSoInTheEnd)
{
    at.answers("/no", {answer{.status = 409}});
    EXPECT_TRUE(eventually([&] { return send(weftd.port(), "GET", "/api/ready").status == 200; }));

    std::atomic<bool>        enough = false;
    std::vector<std::thread> clients;
    for (unsigned i = 0; i < 12; ++i)
        clients.emplace_back([&, i] { client(i, enough); });
    auto const   seed = std::random_device{}();
    std::mt19937 random(seed);
    SCOPED_TRACE("seed " + std::to_string(seed));
    auto const cut_for = [&](std::chrono::seconds long_) {
        for (auto const until = std::chrono::steady_clock::now() + long_; std::chrono::steady_clock::now() < until;)
        {
            proxy.cut_at(static_cast<unsigned>(1 + random() % 30),
                         random() % 2 == 0 ? cutting_proxy::cut::before : cutting_proxy::cut::answer_lost);
            std::this_thread::sleep_for(std::chrono::milliseconds(random() % 300));
        }
    };
    cut_for(2s);
    // Until callers have lost their patience, and were told so.
    auto const before = troubles();
    proxy.swallow(true);
    EXPECT_TRUE(eventually([&] { return troubles() > before; }));
    proxy.swallow(false);
    cut_for(2s);
    proxy.cut_at(0, cutting_proxy::cut::before);
    enough = true;
    for (auto& c : clients)
        c.join();

    // Whatever was left undecided is written by now, and all that goes on has ended.
    EXPECT_EQ(post("submit", with(saga_of("the last one", false), "wait_result", true)).status, 200u);
    EXPECT_TRUE(eventually([&] {
        return database.value("SELECT count(*) FROM trans_global WHERE status IN ('submitted', 'aborting') OR (status = 'prepared' AND "
                              "trans_type <> 'tcc')") == "0";
    }));

    std::set<std::string> was_prepared;
    for (auto const& w : told)
        if (w.verb == "prepare")
            was_prepared.insert(w.gid);
    std::map<std::string, unsigned> kinds;
    for (auto const& w : told)
    {
        auto const is = status(w.gid);
        auto const what = w.verb + " of " + w.gid + " was told " + std::to_string(w.status) + ' ' + w.written + ", and it is \"" + is + '"';
        ++kinds[std::to_string(w.status) + ' ' + w.written];
        bool const creates = w.verb == "prepare" || !was_prepared.contains(w.gid);
        if (w.status == 200)
        {
            if (w.verb == "abort")
                EXPECT_EQ(is, "failed") << what;
            else if (w.verb == "submit")
                EXPECT_TRUE(is == "succeed" || (!w.waited && is == "failed")) << what;
            else
                EXPECT_NE(is, "") << what;
        }
        else if (w.status == 409)
            EXPECT_EQ(is, w.waited ? "failed" : "neither") << what;
        else if (w.status == 500 && w.written == "not_written")
            EXPECT_EQ(is, creates ? "" : "prepared") << what;
        else if (w.status == 500 && w.written == "applied")
            EXPECT_NE(is, creates ? "" : "prepared") << what;
        else
            EXPECT_TRUE(w.status == 500 && w.written == "in_doubt") << what;
    }
    std::string all;
    for (auto const& [kind, n] : kinds)
        all += kind + ": " + std::to_string(n) + "; ";
    std::cout << all << '\n';
    EXPECT_GT(kinds["200 "], 0u) << all;
    EXPECT_GT(told.size() - kinds["200 "] - kinds["409 "], 0u) << "nobody was told of trouble: " << all;
}

INSTANTIATE_TEST_SUITE_P(Stores, Told, ::testing::Values("postgres", "mysql"), name_of_store);

}  // namespace told_test
}  // namespace protocol
