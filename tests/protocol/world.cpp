#include "tests/protocol/world.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>

#include <algorithm>
#include <cctype>

namespace protocol {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;

namespace {

std::string lower(std::string_view t)
{
    std::string all(t);
    std::transform(all.begin(), all.end(), all.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return all;
}

std::map<std::string, std::string> query_of(std::string_view target)
{
    std::map<std::string, std::string> all;
    auto const                         mark = target.find('?');
    auto                               rest = mark == std::string_view::npos ? std::string_view() : target.substr(mark + 1);
    while (!rest.empty())
    {
        auto const one = rest.substr(0, rest.find('&'));
        rest.remove_prefix(std::min(rest.size(), one.size() + 1));
        auto const equals = one.find('=');
        all[std::string(one.substr(0, equals))] = std::string(one.substr(std::min(one.size(), equals + 1)));
    }
    return all;
}

tcp::socket connected(asio::io_context& io, unsigned short port)
{
    tcp::socket         s(io);
    tcp::endpoint const there(asio::ip::address_v4::loopback(), port);
    s.connect(there);
    return s;
}

}  // namespace

std::string text(boost::json::value const& v) { return boost::json::serialize(v); }

std::string escaped(std::string const& plain)
{
    std::string all;
    char        room[4];
    for (unsigned char const c : plain)
    {
        std::snprintf(room, sizeof room, "%%%02X", c);
        all += std::isalnum(c) ? std::string(1, static_cast<char>(c)) : room;
    }
    return all;
}

object reply::json() const
{
    boost::system::error_code failed;
    auto                      v = boost::json::parse(body, failed);
    if (failed || !v.is_object())
        return {{"", body}};
    return v.as_object();
}

std::string reply::operator[](char const* name) const
{
    auto const        o = json();
    auto const* const v = o.if_contains(name);
    return v && v->is_string() ? std::string(v->as_string()) : std::string();
}

asked::asked(unsigned short port, std::string const& method, std::string const& target, std::string const& body,
             std::vector<std::pair<std::string, std::string>> const& headers)
    : io_(std::make_unique<asio::io_context>())
    , socket_(connected(*io_, port))
{
    http::request<http::string_body> r;
    r.method_string(method);
    r.target(target);
    r.version(11);
    r.set(http::field::host, "localhost");
    for (auto const& [name, value] : headers)
        r.set(name, value);
    r.body() = body;
    r.prepare_payload();
    http::write(socket_, r);
}

reply asked::answer()
{
    boost::beast::flat_buffer                buffer;
    http::response_parser<http::string_body> parser;
    parser.body_limit(boost::none);
    http::read(socket_, buffer, parser);
    reply a;
    a.status = parser.get().result_int();
    a.body = std::move(parser.get().body());
    for (auto const& h : parser.get())
        a.headers[lower(std::string_view(h.name_string()))] = std::string(h.value());
    return a;
}

reply send(unsigned short port, std::string const& method, std::string const& target, std::string const& body,
           std::vector<std::pair<std::string, std::string>> const& headers)
{
    return asked(port, method, target, body, headers).answer();
}

std::string send_raw(unsigned short port, std::string const& bytes, bool half_close)
{
    asio::io_context          io;
    auto                      s = connected(io, port);
    boost::system::error_code failed;
    asio::write(s, asio::buffer(bytes), failed);
    if (half_close)
        s.shutdown(tcp::socket::shutdown_send, failed);
    std::string all;
    asio::read(s, asio::dynamic_buffer(all), failed);
    return all;
}

// --- services -------------------------------------------------------------------------------------------------------------------------

void services::add(std::string const& path)
{
    http_.on(path, [this, path](http_server::request const& r) {
        heard      c;
        auto const target = std::string_view(r.target());
        c.query = query_of(target);
        c.what = c.query["branch_id"] + ' ' + c.query["op"] + ' ' + path;
        c.method = std::string(r.method_string());
        c.target = std::string(target);
        c.body = r.body();
        c.at = std::chrono::steady_clock::now();
        for (auto const& h : r)
            c.headers[lower(std::string_view(h.name_string()))] = std::string(h.value());
        std::unique_lock lock(mutex_);
        calls_.push_back(c);
        if (auto const found = served_.find(path); found != served_.end())
        {
            auto const how = found->second;
            lock.unlock();
            return how(c);
        }
        auto& script = scripts_[path];
        if (script.empty())
            return answer{};
        auto const a = script.front();
        if (script.size() > 1)
            script.erase(script.begin());
        return a;
    });
}

std::string services::url(std::string const& path)
{
    add(path);
    return http_.url(path);
}

void services::answers(std::string const& path, std::vector<answer> script)
{
    std::scoped_lock lock(mutex_);
    scripts_[path] = std::move(script);
}

void services::serve(std::string const& path, std::function<answer(heard const&)> how)
{
    std::scoped_lock lock(mutex_);
    served_[path] = std::move(how);
}

std::vector<services::heard> services::calls() const
{
    std::scoped_lock lock(mutex_);
    return calls_;
}

std::vector<std::string> services::seen() const
{
    std::vector<std::string> all;
    for (auto const& c : calls())
        all.push_back(c.what);
    return all;
}

std::size_t services::count(std::string const& what) const
{
    auto const all = seen();
    return static_cast<std::size_t>(std::count(all.begin(), all.end(), what));
}

// --- the world ------------------------------------------------------------------------------------------------------------------------

world::world(std::string const& kind, std::string const& conf, unsigned open_files)
{
    if (kind == "postgres" || kind == "mysql")
        server_ = std::make_unique<weftd_process>(database_.emplace(kind).url(), conf, open_files);
    else if (kind == "sqlite")
        server_ = std::make_unique<weftd_process>("", conf, open_files);
    else
        server_ = std::make_unique<in_process>();
}

world::~world()
{
    at.http().release();
    server_->stop();
    server_.reset();
}

void world::restart() { weftd().kill_and_start(); }

reply world::post(std::string const& verb, object const& body) { return send(port(), "POST", "/api/dtmsvr/" + verb, text(body)); }
reply world::get(std::string const& what) { return send(port(), "GET", "/api/dtmsvr/" + what); }

object world::query(std::string const& gid)
{
    auto const r = get("query?gid=" + escaped(gid));
    EXPECT_EQ(r.status, 200u) << r.body;
    return r.json();
}

object world::row(std::string const& gid)
{
    auto const        o = query(gid);
    auto const* const t = o.if_contains("transaction");
    return t && t->is_object() ? t->as_object() : object();
}

std::string world::status(std::string const& gid)
{
    auto const        r = row(gid);
    auto const* const s = r.if_contains("status");
    return s ? std::string(s->as_string()) : "";
}

std::string world::statuses(std::string const& gid)
{
    std::string all;
    auto const  o = query(gid);
    for (auto const& b : o.at("branches").as_array())
        all += (all.empty() ? "" : " ") + std::string(b.as_object().at("status").as_string());
    return all;
}

bool world::becomes(std::string const& gid, std::string const& wanted)
{
    bool const so = eventually([&] { return status(gid) == wanted; });
    EXPECT_TRUE(so) << gid << " is " << text(query(gid));
    return so;
}

namespace {

object of_type(char const* type, std::string const& gid)
{
    object o;
    o["gid"] = gid;
    o["trans_type"] = type;
    return o;
}

}  // namespace

object saga(world& w, std::string const& gid, unsigned steps)
{
    auto o = of_type("saga", gid);
    auto all = boost::json::array();
    auto payloads = boost::json::array();
    for (unsigned i = 0; i < steps; ++i)
    {
        std::string const letter(1, static_cast<char>('a' + i));
        object            step;
        step["action"] = w.at.url("/" + letter);
        step["compensate"] = w.at.url("/" + letter + "-undo");
        all.push_back(step);
        payloads.push_back(boost::json::value("{\"step\":" + std::to_string(i) + "}"));
    }
    o["steps"] = all;
    o["payloads"] = payloads;
    return o;
}

object msg(world& w, std::string const& gid, unsigned steps)
{
    auto o = saga(w, gid, steps);
    o["trans_type"] = "msg";
    for (auto& s : o["steps"].as_array())
        s.as_object().erase("compensate");
    return o;
}

object reference(std::string const& gid, std::string const& trans_type) { return of_type(trans_type.c_str(), gid); }

object tcc_branch(world& w, std::string const& gid, std::string const& id, std::string const& path)
{
    auto o = of_type("tcc", gid);
    o["branch_id"] = id;
    o["data"] = "{\"of\":\"" + id + "\"}";
    o["confirm"] = w.at.url(path + "/confirm");
    o["cancel"] = w.at.url(path + "/cancel");
    return o;
}

}  // namespace protocol
