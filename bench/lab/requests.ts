// What wrk asks for, as the beginning of its Lua script. Texts are made once at the start: the
// generator must cost less than the proxies.

/** A POST with a body of so many bytes. */
export function posts(bodyBytes: number): string {
  return `wrk.method = "POST"
wrk.body = string.rep("x", ${bodyBytes})
wrk.headers["Content-Type"] = "application/octet-stream"
`;
}

/**
 * Each client thinks for a time between its answer and its next request, by chance 0 to twice this: so many clients
 * make a steady load that does not stop where one of them waits long. wrk counts from the send on.
 */
export function thinking(meanMs: number): string {
  return `function delay() return math.random(0, ${Math.round(2 * meanMs)}) end\n`;
}

/** PUTs of a small value, each to a key of its own; `isClosed`: each on a connection of its own. */
export function puts(prefix: string, isClosed: boolean): string {
  return `local count = 0
local headers = ${isClosed ? '{ ["Connection"] = "close" }' : '{}'}
request = function()
  count = count + 1
  return wrk.format("PUT", "${prefix}/" .. count % 1000, headers, '{"weight":1, "max_fails":2, "fail_timeout":10}')
end
`;
}

/**
 * Heads as browsers send them, 600 to 1,100 bytes: a thousand different ones, with sessions in cookies
 * as analytics and shops set them, several browsers, changing paths, queries and referers.
 */
export const BROWSER = `local agents = {
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
  "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36",
  "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15",
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0",
  "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36",
}
local languages = { "en-GB,en;q=0.9", "de-DE,de;q=0.9,en;q=0.7", "zh-CN,zh;q=0.9", "fr-FR,fr;q=0.8,en-US;q=0.5,en;q=0.3" }
local pages = { "/", "/products/", "/assets/app-", "/api/v2/orders/", "/search", "/account/settings/", "/img/teaser-" }
local function hex(digits)
  local text = {}
  for at = 1, digits do text[at] = string.format("%x", math.random(0, 15)) end
  return table.concat(text)
end
local function pick(list) return list[math.random(#list)] end
local texts, count = {}, 0
init = function()
  math.randomseed(20261123)
  for at = 1, 1000 do
    local cookies = { "sid=" .. hex(32), "_ga=GA1.1." .. math.random(1e8, 1e9) .. ".17" .. math.random(1e7, 1e8) }
    if math.random() < 0.7 then cookies[#cookies + 1] = "cart=" .. hex(math.random(16, 96)) end
    if math.random() < 0.5 then cookies[#cookies + 1] = "consent=%7B%22stats%22%3Atrue%2C%22v%22%3A" .. at .. "%7D" end
    if math.random() < 0.3 then cookies[#cookies + 1] = "theme=dark; lang=" .. hex(2) end
    local path = pick(pages) .. at .. (math.random() < 0.6 and "?page=" .. math.random(1, 90) .. "&sort=price&ref=" .. hex(8) or "")
    local headers = {
      ["Host"] = "shop.example.com",
      ["Connection"] = "keep-alive",
      ["User-Agent"] = pick(agents),
      ["Accept"] = math.random() < 0.5 and "*/*" or "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
      ["Accept-Encoding"] = "gzip, deflate, br, zstd",
      ["Accept-Language"] = pick(languages),
      ["Referer"] = "https://shop.example.com/products/" .. math.random(1, 5000) .. "?campaign=" .. hex(12),
      ["Cookie"] = table.concat(cookies, "; "),
      ["Sec-Fetch-Site"] = "same-origin",
      ["Sec-Fetch-Mode"] = "cors",
      ["Sec-Fetch-Dest"] = "empty",
    }
    if math.random() < 0.6 then
      headers["sec-ch-ua"] = '"Chromium";v="140", "Not=A?Brand";v="24"'
      headers["sec-ch-ua-mobile"] = "?0"
      headers["sec-ch-ua-platform"] = '"Windows"'
    end
    if math.random() < 0.2 then headers["If-None-Match"] = 'W/"' .. hex(24) .. '"' end
    texts[at] = wrk.format("GET", path, headers)
  end
end
request = function()
  count = count % #texts + 1
  return texts[count]
end
`;
