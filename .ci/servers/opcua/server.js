// An OPC UA server by other hands, for the tests. Prints "READY opc.tcp://…"
// and ends with its standard input or with SIGTERM.
//
//   node server.js --port 0 --pki DIR [--variables N] [--interval MS]
"use strict";

const major = Number(process.versions.node.split(".")[0]);
if (major < 20) {
  console.error(`node-opcua 2.186.4 was proven on Node 20 and later; this is Node ${process.versions.node}`);
  process.exit(1);
}

const opcua = require("node-opcua");
const { DataType, VariantArrayType, Variant, StatusCodes } = opcua;

function option(name, fallback) {
  const i = process.argv.indexOf("--" + name);
  return i < 0 ? fallback : process.argv[i + 1];
}

const count = Number(option("variables", "2000"));
const interval = Number(option("interval", "100"));

// Sample values of every scalar type.
const scalars = {
  Boolean: true, SByte: -8, Byte: 8, Int16: -16, UInt16: 16, Int32: -32, UInt32: 32,
  Int64: [0xffffffff, 0xffffffc0], UInt64: [0, 64], Float: 0.5, Double: 21.75, String: "Grüße",
  DateTime: new Date("2026-09-14T07:31:05.118Z"), Guid: "72962b91-fa75-4ae6-8d28-b404dc7daf63",
  ByteString: Buffer.from("hello"), XmlElement: "<a/>", NodeId: opcua.coerceNodeId("ns=1;s=x"),
  StatusCode: StatusCodes.BadSensorFailure,
  QualifiedName: opcua.coerceQualifiedName({ namespaceIndex: 1, name: "qn" }), LocalizedText: opcua.coerceLocalizedText({ locale: "en", text: "text" }),
};

function addPlant(server) {
  const space = server.engine.addressSpace;
  const ns = space.registerNamespace("urn:iotops:test:plant"); // ns=2
  const root = ns.addFolder("ObjectsFolder", { browseName: "Plant", nodeId: "s=Plant" });

  for (const [type, value] of Object.entries(scalars)) {
    ns.addVariable({
      componentOf: root, browseName: "Scalar" + type, nodeId: "s=Scalar." + type, dataType: DataType[type], minimumSamplingInterval: 100,
      value: { dataType: DataType[type], arrayType: VariantArrayType.Scalar, value },
    });
  }
  const arrays = { Int32: new Int32Array([1, 2, 3]), Double: new Float64Array([0.5, 1.5]), String: ["a", "b"], Boolean: [true, false], Byte: Buffer.from([1, 2]) };
  for (const [type, value] of Object.entries(arrays)) {
    ns.addVariable({
      componentOf: root, browseName: "Array" + type, nodeId: "s=Array." + type, dataType: DataType[type], valueRank: 1,
      value: { dataType: DataType[type], arrayType: VariantArrayType.Array, value },
    });
  }
  ns.addVariable({
    componentOf: root, browseName: "Matrix", nodeId: "s=Matrix", dataType: DataType.Double, valueRank: 2, arrayDimensions: [2, 3],
    value: { dataType: DataType.Double, arrayType: VariantArrayType.Matrix, dimensions: [2, 3], value: new Float64Array([1, 2, 3, 4, 5, 6]) },
  });
  ns.addVariable({
    componentOf: root, browseName: "Structure", nodeId: "s=Structure", dataType: "Argument",
    value: { dataType: DataType.ExtensionObject, value: new opcua.Argument({ name: "arg", description: { text: "d" }, dataType: "i=6" }) },
  });
  const writable = ns.addVariable({
    componentOf: root, browseName: "Setpoint", nodeId: "s=Setpoint", dataType: DataType.Double, accessLevel: "CurrentRead | CurrentWrite",
    value: { dataType: DataType.Double, value: 1.5 },
  });
  writable.setValueFromSource({ dataType: DataType.Double, value: 1.5 });

  const temperature = ns.addVariable({
    componentOf: root, browseName: "Temperature", nodeId: "s=Temperature", dataType: DataType.Double, value: { dataType: DataType.Double, value: 20 },
  });

  // Counters: each change is one more, so that every gap is seen.
  const load = ns.addFolder(root, { browseName: "Counters", nodeId: "s=Counters" });
  const counters = [];
  for (let i = 0; i < count; i++) {
    counters.push(ns.addVariable({
      componentOf: load, browseName: "Counter" + i, nodeId: "s=Counter." + i, dataType: DataType.UInt32, value: { dataType: DataType.UInt32, value: 0 },
    }));
  }
  let n = 0;
  setInterval(() => {
    n++;
    temperature.setValueFromSource({ dataType: DataType.Double, value: 20 + 5 * Math.sin(n / 50) });
    for (const c of counters) c.setValueFromSource({ dataType: DataType.UInt32, value: n });
  }, interval);
}

async function main() {
  const certificates = new opcua.OPCUACertificateManager({ rootFolder: option("pki", "pki"), automaticallyAcceptUnknownCertificate: true });
  await certificates.initialize();
  const server = new opcua.OPCUAServer({
    port: Number(option("port", "0")), hostname: "127.0.0.1", host: "127.0.0.1", alternateHostname: ["127.0.0.1", "localhost"], resourcePath: "/plant",
    serverCertificateManager: certificates, allowAnonymous: true, maxConnectionsPerEndpoint: 200,
    userManager: { isValidUser: (user, password) => user === "user1" && password === "password1" },
    securityPolicies: ["None", "Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"].map((p) => opcua.SecurityPolicy[p]),
    securityModes: [opcua.MessageSecurityMode.None, opcua.MessageSecurityMode.Sign, opcua.MessageSecurityMode.SignAndEncrypt],
    serverInfo: { applicationUri: "urn:iotops:test:server" },
    serverCapabilities: {
      maxSessions: 200, maxSubscriptionsPerSession: 100, maxMonitoredItemsPerSubscription: 100000,
      operationLimits: { maxNodesPerRead: 1000, maxNodesPerBrowse: 500, maxMonitoredItemsPerCall: 500, maxNodesPerTranslateBrowsePathsToNodeIds: 500 },
    },
  });
  await server.initialize();
  addPlant(server);
  await server.start();
  const port = server.endpoints[0].port;
  console.log(`READY opc.tcp://127.0.0.1:${port}/plant`);
  const stop = async () => {
    await server.shutdown(0);
    process.exit(0);
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  if (process.argv.includes("--stdin")) {
    process.stdin.resume();
    process.stdin.on("end", stop);
  }
}

main().catch((err) => {
  console.error(err);
  process.exit(1);
});
