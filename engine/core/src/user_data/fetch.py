# Fetches the agent from the bucket with the machine's own credentials, using nothing but the standard library.
# Arguments: region, bucket, its owner, the file to make, seconds to keep trying, and <machine>=<sha256> for each kind of machine.
import datetime, hashlib, hmac, http.client, json, os, sys, time
from urllib.parse import urlsplit

REGION, BUCKET, OWNER, TARGET = sys.argv[1:5]
END = time.monotonic() + float(sys.argv[5])
METADATA = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or "http://169.254.169.254"


class Again(Exception):
    """May go well when it is tried again: rights and credentials of a new role arrive late."""


class Never(Exception):
    """Will not go well however often it is tried."""


def call(base, method, path, headers, take, seconds):
    """Makes one request. http.client reads no proxy from the environment."""
    where = urlsplit(base)
    kind = http.client.HTTPSConnection if where.scheme == "https" else http.client.HTTPConnection
    connection = kind(where.hostname, where.port, timeout=seconds)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        if answer.status == 200:
            return take(answer)
        text = " ".join(answer.read(600).decode("utf-8", "replace").split())
        late = answer.status in (401, 403, 429) or answer.status >= 500 or "Token" in text
        missing = answer.status == 404 and base == METADATA
        failure = "%s %s answered %d %s" % (method, base + path, answer.status, text)
        raise Again(failure) if late or missing else Never(failure)
    except (OSError, http.client.HTTPException) as error:
        raise Again("%s %s: %s" % (method, base + path, error or type(error).__name__))
    finally:
        connection.close()


def text(answer):
    return answer.read(65536).decode().strip()


def credentials():
    """Asks the metadata service for the role's credentials and the name domain of AWS here."""
    ttl = {"X-aws-ec2-metadata-token-ttl-seconds": "300"}
    token = {"X-aws-ec2-metadata-token": call(METADATA, "PUT", "/latest/api/token", ttl, text, 5)}
    roles = "/latest/meta-data/iam/security-credentials/"
    role = call(METADATA, "GET", roles, token, text, 5).split("\n")[0]
    try:
        keys = json.loads(call(METADATA, "GET", roles + role, token, text, 5)) if role else {}
        keys = keys["AccessKeyId"], keys["SecretAccessKey"], keys["Token"]
    except (KeyError, TypeError, ValueError):
        raise Again("the metadata service has no credentials yet")
    domain = ""
    if not os.environ.get("AWS_ENDPOINT_URL"):
        domain = call(METADATA, "GET", "/latest/meta-data/services/domain", token, text, 5)
    return keys, domain


def signed(host, path, keys):
    """Signs a GET by AWS Signature Version 4."""
    key, secret, session = keys
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    headers = {
        "host": host,
        "x-amz-content-sha256": hashlib.sha256(b"").hexdigest(),
        "x-amz-date": now,
        "x-amz-expected-bucket-owner": OWNER,
        "x-amz-security-token": session,
    }
    names = ";".join(sorted(headers))
    lines = "".join("%s:%s\n" % (name, headers[name]) for name in sorted(headers))
    request = "\n".join(["GET", path, "", lines, names, headers["x-amz-content-sha256"]])
    scope = "/".join([now[:8], REGION, "s3", "aws4_request"])
    message = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(request.encode()).hexdigest()])
    derived = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        derived = hmac.new(derived, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(derived, message.encode(), hashlib.sha256).hexdigest()
    headers["authorization"] = "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s" % (key, scope, names, signature)
    return headers


def fetch(wanted):
    """Writes the agent beside its place, and moves it there only if it is the one that was asked for."""
    keys, domain = credentials()
    endpoint, path = os.environ.get("AWS_ENDPOINT_URL", "").rstrip("/"), "/agents/" + wanted
    if endpoint:
        path = "/" + BUCKET + path
    else:
        endpoint = "https://%s.s3.%s.%s" % (BUCKET, REGION, domain)

    def take(answer):
        digest = hashlib.sha256()
        with open(TARGET + ".new", "wb") as file:
            for block in iter(lambda: answer.read(1 << 18), b""):
                digest.update(block)
                file.write(block)
        if answer.length:
            raise Again("the agent's download broke off")
        return digest.hexdigest()

    got = call(endpoint, "GET", path, signed(urlsplit(endpoint).netloc, path, keys), take, 30)
    if got != wanted:
        raise Never("the agent that was downloaded has the SHA-256 %s, not %s" % (got, wanted))
    os.chmod(TARGET + ".new", 0o755)
    os.rename(TARGET + ".new", TARGET)


def main():
    machine, pause = os.uname().machine, 0.2
    wanted = dict(pair.split("=") for pair in sys.argv[6:]).get(machine)
    if not wanted:
        return "there is no agent for machines of the kind " + machine
    while True:
        try:
            return fetch(wanted)
        except Again as error:
            if time.monotonic() + pause > END:
                return "the agent could not be downloaded: %s" % error
            sys.stderr.write("spawn: trying again: %s\n" % error)
        except (Never, OSError) as error:
            return "the agent cannot be installed: %s" % error
        time.sleep(pause)
        pause = min(pause * 2, 5)


problem = main()
if problem:
    sys.exit("spawn: " + problem)
